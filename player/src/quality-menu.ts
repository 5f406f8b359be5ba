import type { Engine, Rendition } from './engine.ts'
import { bitrateText } from './format.ts'
import type { MenuButton } from './menu-button.ts'

const AUTO = -1

function nameOf(rendition: Rendition): string {
  return rendition.height ? `${rendition.height}p` : bitrateText(rendition.bitrateBps)
}

/** The menu of qualities; choosing -1 is automatic. */
export class QualityMenu {
  readonly #menu: MenuButton
  #drawn = ''

  constructor(menu: MenuButton) {
    this.#menu = menu
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
    const { button } = this.#menu
    button.replaceChildren(prefix, label)
    button.setAttribute('aria-label', `Quality: ${button.textContent}`)
    button.disabled = renditions.length === 0
    const auto = { index: AUTO, name: 'Auto', note: active && selected === AUTO ? `now ${label}` : 'by the network' }
    const items = renditions.map((item) => ({
      index: item.index,
      name: nameOf(item),
      note: bitrateText(item.bitrateBps),
    }))
    this.#menu.show([auto, ...items], selected)
  }
}
