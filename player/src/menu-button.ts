/** One of the things that a menu offers; `index` is what `choose` is told. */
export type MenuItem = { readonly index: number; readonly name: string; readonly note: string }

/** A button and its menu of radio items (WAI-ARIA menu button): opening, keys and focus. What is in it is for its owner to say. */
export class MenuButton {
  readonly button: HTMLButtonElement
  readonly #menu: HTMLElement
  readonly #choose: (index: number) => void
  readonly #keepOpen: (open: boolean) => void

  constructor(
    button: HTMLButtonElement,
    menu: HTMLElement,
    actions: { choose(index: number): void; keepControls(visible: boolean): void },
  ) {
    this.button = button
    this.#menu = menu
    this.#choose = actions.choose
    this.#keepOpen = actions.keepControls
    button.addEventListener('click', () => this.#toggle(menu.hidden === true))
    menu.addEventListener('keydown', (event) => this.#onKey(event))
    document.addEventListener('pointerdown', (event) => {
      if (!event.composedPath().some((node) => node === menu || node === button)) this.#toggle(false)
    })
  }

  /** Puts these items in place of those that were there; the focus stays where it was. */
  show(items: readonly MenuItem[], selected: number): void {
    const focused = this.#items().indexOf(document.activeElement as HTMLElement)
    this.#menu.replaceChildren(...items.map((item) => this.#item(item, selected)))
    if (focused >= 0) this.#items()[focused]?.focus()
  }

  #item({ index, name, note }: MenuItem, selected: number): HTMLElement {
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
      this.button.focus()
    })
    return item
  }

  #items(): HTMLElement[] {
    return [...this.#menu.children].filter((child) => child instanceof HTMLElement)
  }

  #toggle(open: boolean): void {
    if (this.#menu.hidden === !open) return
    this.#menu.hidden = !open
    this.button.setAttribute('aria-expanded', String(open))
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
      this.button.focus()
    } else return
    event.stopPropagation()
    event.preventDefault()
  }
}
