import type { Engine, Rendition } from './engine.ts'
import { bitrateText } from './format.ts'

const AUTO = -1

function nameOf(rendition: Rendition): string {
  return rendition.height ? `${rendition.height}p` : bitrateText(rendition.bitrateBps)
}

/** The quality button and its menu (WAI-ARIA menu button with radio items). `choose(-1)` is automatic. */
export class QualityMenu {
  readonly #button: HTMLButtonElement
  readonly #menu: HTMLElement
  readonly #choose: (index: number) => void
  readonly #keepOpen: (open: boolean) => void
  #drawn = ''

  constructor(
    button: HTMLButtonElement,
    menu: HTMLElement,
    actions: { choose(index: number): void; keepControls(visible: boolean): void },
  ) {
    this.#button = button
    this.#menu = menu
    this.#choose = actions.choose
    this.#keepOpen = actions.keepControls
    button.addEventListener('click', () => this.#toggle(menu.hidden === true))
    menu.addEventListener('keydown', (event) => this.#onKey(event))
    document.addEventListener('pointerdown', (event) => {
      if (!event.composedPath().some((node) => node === menu || node === button)) this.#toggle(false)
    })
  }

  /** Draws what has changed since the last time. */
  render(engine: Engine | undefined): void {
    const renditions = [...(engine?.renditions() ?? [])].sort((a, b) => b.bitrateBps - a.bitrateBps)
    const selected = engine?.selected() ?? AUTO
    const active = renditions.find(({ index }) => index === engine?.active())
    const drawn = JSON.stringify([renditions, selected, active?.index])
    if (drawn === this.#drawn) return
    this.#drawn = drawn
    const label = active ? nameOf(active) : 'Auto'
    const prefix = document.createElement('span')
    prefix.className = 'prefix'
    prefix.textContent = selected === AUTO && active ? 'Auto · ' : ''
    this.#button.replaceChildren(prefix, label)
    this.#button.setAttribute('aria-label', `Quality: ${this.#button.textContent}`)
    this.#button.disabled = renditions.length === 0
    const focused = this.#items().indexOf(document.activeElement as HTMLElement)
    this.#menu.replaceChildren(
      this.#item(AUTO, 'Auto', active && selected === AUTO ? `now ${label}` : 'by the network', selected),
      ...renditions.map((item) => this.#item(item.index, nameOf(item), bitrateText(item.bitrateBps), selected)),
    )
    if (focused >= 0) this.#items()[focused]?.focus()
  }

  #item(index: number, name: string, note: string, selected: number): HTMLElement {
    const item = document.createElement('button')
    const small = document.createElement('small')
    item.type = 'button'
    item.setAttribute('role', 'menuitemradio')
    item.setAttribute('aria-checked', String(index === selected))
    item.dataset['index'] = String(index)
    small.textContent = note
    item.append(name, small)
    item.addEventListener('click', () => {
      this.#choose(index)
      this.#toggle(false)
      this.#button.focus()
    })
    return item
  }

  #items(): HTMLElement[] {
    return [...this.#menu.children].filter((child) => child instanceof HTMLElement)
  }

  #toggle(open: boolean): void {
    if (this.#menu.hidden === !open) return
    this.#menu.hidden = !open
    this.#button.setAttribute('aria-expanded', String(open))
    this.#keepOpen(open)
    if (open)
      this.#items()
        .find((item) => item.ariaChecked === 'true')
        ?.focus()
  }

  #onKey(event: KeyboardEvent): void {
    const items = this.#items()
    const at = items.indexOf(document.activeElement as HTMLElement)
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key]
    if (target !== undefined) items[(target + items.length) % items.length]?.focus()
    else if (event.key === 'Escape' || event.key === 'Tab') {
      this.#toggle(false)
      this.#button.focus()
    } else return
    event.stopPropagation()
    event.preventDefault()
  }
}
