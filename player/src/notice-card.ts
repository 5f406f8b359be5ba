import { explain } from './errors.ts'
import { wantsToken } from './licence.ts'
import type { Notice } from './session.ts'

type NoticeActions = { retry(): void; useToken(token: string): void }

/** The card over the picture that says in sentences what is the matter and when it will be tried again. */
export class NoticeCard {
  readonly #card: HTMLElement
  readonly #title: HTMLElement
  readonly #text: HTMLElement
  readonly #countdown: HTMLElement
  readonly #button: HTMLElement
  readonly #tokenForm: HTMLElement

  constructor(card: HTMLElement, { retry, useToken }: NoticeActions) {
    const part = <T extends HTMLElement>(selector: string) => {
      const found = card.querySelector<T>(selector)
      if (!found) throw new Error(`index.html lacks ${selector}`)
      return found
    }
    this.#card = card
    this.#title = part('#notice-title')
    this.#text = part('#notice-text')
    this.#countdown = part('#notice-retry')
    this.#button = part('#retry')
    this.#button.addEventListener('click', () => retry())
    this.#tokenForm = part('#token-form')
    const field = part<HTMLInputElement>('#notice-token')
    this.#tokenForm.addEventListener('submit', (event) => {
      event.preventDefault()
      useToken(field.value)
      field.value = ''
    })
  }

  render(notice: Notice | 'nothing' | undefined): void {
    this.#card.hidden = notice === undefined
    if (notice === undefined) return
    const problem = notice !== 'nothing' && notice.kind === 'problem' ? notice : undefined
    const kind =
      problem?.problem.kind ?? (notice === 'nothing' ? 'nothing' : notice.kind === 'away' ? 'away' : 'waiting')
    const { title, text } = explain(kind, problem?.problem)
    // Text that is set again is read out again by a screen reader.
    if (this.#title.textContent !== title) this.#title.textContent = title
    if (this.#text.textContent !== text) this.#text.textContent = text
    const { status, reason } = problem?.problem ?? {}
    const asksToken = problem !== undefined && wantsToken(problem.problem)
    this.#tokenForm.hidden = !asksToken
    this.#card.dataset['tone'] = problem && !['not-started', 'network', 'server'].includes(kind) ? 'error' : 'calm'
    this.#button.hidden = problem === undefined || asksToken
    this.#countdown.hidden = problem === undefined
    if (problem) {
      const parts = [nextTry(problem.retryAtMs), status === undefined ? '' : `HTTP ${status}`, reason ?? '']
      this.#countdown.textContent = parts.filter((part) => part !== '').join(' · ')
      this.#countdown.title = problem.problem.technical
    }
  }
}

function nextTry(retryAtMs: number | undefined): string {
  if (retryAtMs === undefined) return ''
  const seconds = Math.max(0, Math.ceil((retryAtMs - Date.now()) / 1000))
  return seconds > 0 ? `Next try in ${seconds} s` : 'Trying now…'
}
