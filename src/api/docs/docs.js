/** Narrows the page down to what is looked for, and opens what a link leads to. All of it is readable without. */
const input = document.querySelector('#search')
const found = document.querySelector('#found')
const items = [...document.querySelectorAll('[data-words]')]
const links = new Map([...document.querySelectorAll('nav [data-for]')].map((item) => [item.dataset.for, item]))

function hideEmpty(selector, inner) {
  for (const part of document.querySelectorAll(selector)) {
    part.hidden = ![...part.querySelectorAll(inner)].some((item) => !item.hidden)
  }
}

function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean)
  let count = 0
  for (const item of items) {
    item.hidden = !words.every((word) => item.dataset.words.includes(word))
    if (!item.hidden) count += 1
    const link = links.get(item.id)
    if (link) link.hidden = item.hidden
  }
  hideEmpty('section.group', '[data-words]')
  hideEmpty('nav .contents > ul > li:has(ul)', '[data-for]')
  document.querySelector('.intro').hidden = words.length > 0
  found.textContent =
    words.length === 0 ? '' : count === 1 ? 'One entry' : count === 0 ? 'Nothing found' : `${count} entries`
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (!target) return
  if (target.hidden || target.closest('[hidden]')) {
    input.value = ''
    search()
  }
  if (target instanceof HTMLDetailsElement) target.open = true
  target.scrollIntoView()
}

input.addEventListener('input', search)
addEventListener('hashchange', openTarget)
addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== input && !event.ctrlKey && !event.metaKey) {
    event.preventDefault()
    input.focus()
  } else if (event.key === 'Escape' && document.activeElement === input) {
    input.value = ''
    search()
    input.blur()
  }
})
for (const link of document.querySelectorAll('nav a')) {
  // The same link twice changes no hash.
  link.addEventListener('click', () => queueMicrotask(openTarget))
}
if (matchMedia('(max-width: 60rem)').matches) document.querySelector('.contents').open = false
if (input.value) search()
openTarget()
