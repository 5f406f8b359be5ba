import { explain } from './errors.ts'
import type { Notice } from './session.ts'

/** The card over the picture that says in sentences what is the matter and when it will be tried again. */
export class NoticeCard {
  readonly #card: HTMLElement
  readonly #title: HTMLElement
  readonly #text: HTMLElement
  readonly #countdown: HTMLElement
  readonly #button: HTMLElement

  constructor(card: HTMLElement, retry: () => void) {
    const part = (selector: string) => {
      const found = card.querySelector<HTMLElement>(selector)
      if (!found) throw new Error(`index.html lacks ${selector}`)
      return found
    }
    this.#card = card
    this.#title = part('#notice-title')
    this.#text = part('#notice-text')
    this.#countdown = part('#notice-retry')
    this.#button = part('#retry')
    this.#button.addEventListener('click', retry)
  }

  render(notice: Notice | 'nothing' | undefined): void {
    this.#card.hidden = notice === undefined
    if (notice === undefined) return
    const problem = notice !== 'nothing' && notice.kind === 'problem' ? notice : undefined
    const kind =
      problem?.problem.kind ?? (notice === 'nothing' ? 'nothing' : notice.kind === 'away' ? 'away' : 'waiting')
    const { title, text } = explain(kind)
    // Text that is set again is read out again by a screen reader.
    if (this.#title.textContent !== title) this.#title.textContent = title
    if (this.#text.textContent !== text) this.#text.textContent = text
    const status = problem?.problem.status
    this.#card.dataset['tone'] = problem && !['not-started', 'network', 'server'].includes(kind) ? 'error' : 'calm'
    this.#button.hidden = problem === undefined
    this.#countdown.hidden = problem === undefined
    if (problem) {
      const seconds = Math.max(0, Math.ceil((problem.retryAtMs - Date.now()) / 1000))
      const next = seconds > 0 ? `Next try in ${seconds} s` : 'Trying now…'
      this.#countdown.textContent = status === undefined ? next : `${next} · HTTP ${status}`
      this.#countdown.title = problem.problem.technical
    }
  }
}
