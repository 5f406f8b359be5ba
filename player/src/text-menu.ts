import type { Engine } from './engine.ts'
import type { MenuButton } from './menu-button.ts'

const OFF = -1

/** The menu of subtitles; it is there as long as there are any. Choosing -1 is none. */
export class TextMenu {
  readonly #menu: MenuButton
  #drawn = ''

  constructor(menu: MenuButton) {
    this.#menu = menu
  }

  /** Draws what has changed since the last time. */
  render(engine: Engine | undefined): void {
    const texts = engine?.texts() ?? []
    const selected = engine?.selectedText() ?? OFF
    const drawn = JSON.stringify([texts, selected])
    if (drawn === this.#drawn) return
    this.#drawn = drawn
    const { button } = this.#menu
    button.hidden = texts.length === 0
    const chosen = texts.find(({ index }) => index === selected)
    button.setAttribute('aria-label', `Subtitles: ${chosen?.name ?? 'off'}`)
    button.setAttribute('aria-pressed', String(chosen !== undefined))
    const items = texts.map(({ index, name, language }) => ({ index, name, note: language }))
    this.#menu.show([{ index: OFF, name: 'Off', note: '' }, ...items], selected)
  }
}
