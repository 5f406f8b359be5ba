import { type PageRequest, type Source, sourceOf } from './address.ts'
import type { Protocol } from './engine.ts'
import { secondsText } from './format.ts'
import type { HeadendPlayer, PlayerState } from './headend-api.ts'
import { MenuButton } from './menu-button.ts'
import { NoticeCard } from './notice-card.ts'
import { QualityMenu } from './quality-menu.ts'
import { SeekBar } from './seek-bar.ts'
import { hasMediaSource, Session } from './session.ts'
import { bufferedAheadS, droppedFrames, renderStats } from './stats.ts'
import { TextMenu } from './text-menu.ts'

const REFRESH_MS = 250

/** The element with this id, which index.html has as the given class. */
function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`index.html lacks #${id}`)
  return found
}

/** The watch page: ties the elements of index.html to a session. */
export class Page implements HeadendPlayer {
  readonly #video = element('video', HTMLVideoElement)
  readonly #controller = element('controller', HTMLElement)
  readonly #protocols = element('protocols', HTMLElement)
  readonly #unmute = element('unmute', HTMLButtonElement)
  readonly #stats = element('stats', HTMLElement)
  readonly #statsButton = element('stats-button', HTMLButtonElement)
  readonly #latency = element('latency', HTMLElement)
  readonly #notice: NoticeCard
  readonly #quality: QualityMenu
  readonly #texts: TextMenu
  readonly #seekBar: SeekBar
  #source: Source = {}
  #session: Session | undefined
  #token: string | undefined
  #shaka = false

  constructor() {
    this.#notice = new NoticeCard(element('notice', HTMLElement), {
      retry: () => this.#session?.retryNow(),
      useToken: (token) => this.setToken(token),
    })
    this.#quality = new QualityMenu(this.#menu('quality', 'qualities', (index) => this.setQuality(index)))
    this.#texts = new TextMenu(this.#menu('text', 'texts', (index) => this.setText(index)))
    this.#seekBar = new SeekBar(
      {
        video: this.#video,
        range: element('seek', HTMLInputElement),
        bubble: element('bubble', HTMLOutputElement),
        live: element('live', HTMLButtonElement),
        behind: element('behind', HTMLElement),
      },
      () => this.#session?.seekToLive(),
    )
    this.#listen()
    setInterval(() => this.#render(), REFRESH_MS)
  }

  /** What the page's URL says of how to play. */
  prefer({ token, shaka }: Pick<PageRequest, 'token' | 'shaka'>): void {
    this.#keepToken(token)
    this.#shaka = shaka
    element('dash-player', HTMLSelectElement).value = shaka ? 'shaka' : 'dash'
  }

  /** Plays a source, by the wanted protocol where it has both; without any manifest it asks for one. */
  open(given: Source, wanted: Protocol | undefined): void {
    const { dash, ...withoutDash } = given
    // Without Media Source Extensions there is HLS alone, played by the browser itself.
    const source: Source = dash && given.hls && !hasMediaSource() ? withoutDash : given
    this.#source = source
    const protocol = wanted && source[wanted] ? wanted : source.hls ? 'hls' : 'dash'
    const url = source[protocol]
    this.#session?.close()
    const layer = element('text-layer', HTMLElement)
    layer.replaceChildren()
    const events = { changed: () => this.#render(), token: () => this.#token, textLayer: () => layer }
    this.#session = url ? new Session(this.#video, { protocol, url, shaka: this.#shaka }, events) : undefined
    const title = source.title ?? 'Headend'
    element('title', HTMLElement).textContent = title
    document.title = source.title ? `${title} · Headend` : 'Headend player'
    this.#protocols.hidden = !(source.hls && source.dash)
    for (const button of this.#protocols.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(button.dataset['protocol'] === protocol))
    }
    this.#render()
  }

  state(): PlayerState {
    const session = this.#session
    const engine = session?.engine
    const notice = session?.notice
    return {
      protocol: session?.protocol,
      player: engine?.player,
      currentTime: this.#video.currentTime,
      paused: this.#video.paused,
      buffered: bufferedAheadS(this.#video),
      droppedFrames: droppedFrames(this.#video),
      totalFrames: this.#video.getVideoPlaybackQuality().totalVideoFrames,
      stalls: session?.stalls ?? 0,
      latencyS: engine?.latencyS(),
      level: engine?.active() ?? -1,
      selectedLevel: engine?.selected() ?? -1,
      levels: engine?.renditions().map(({ height, bitrateBps }) => ({ height, bitrateBps })) ?? [],
      selectedText: engine?.selectedText() ?? -1,
      texts: engine?.texts() ?? [],
      notice: notice?.kind,
      error: notice?.kind === 'problem' ? notice.problem : undefined,
    }
  }

  setQuality(index: number): void {
    this.#session?.select(index)
    this.#render()
  }

  setText(index: number): void {
    this.#session?.selectText(index)
    this.#render()
  }

  setProtocol(protocol: Protocol): void {
    if (this.#source[protocol] && this.#session?.protocol !== protocol) this.open(this.#source, protocol)
  }

  setToken(token: string | undefined): void {
    this.#keepToken(token)
    this.#session?.retryNow()
  }

  #keepToken(token: string | undefined): void {
    this.#token = token?.trim() || undefined
    element('token', HTMLInputElement).value = this.#token ?? ''
  }

  #menu(button: string, menu: string, choose: (index: number) => void): MenuButton {
    const keepControls = (visible: boolean) => void this.#controller.toggleAttribute('noautohide', visible)
    return new MenuButton(element(button, HTMLButtonElement), element(menu, HTMLElement), { choose, keepControls })
  }

  #listen(): void {
    this.#protocols.addEventListener('click', (event) => {
      const wanted = event.target instanceof HTMLElement ? event.target.dataset['protocol'] : undefined
      if (wanted === 'hls' || wanted === 'dash') this.setProtocol(wanted)
    })
    this.#unmute.addEventListener('click', () => {
      this.#video.muted = false
      this.#video.volume ||= 1
    })
    this.#video.addEventListener('volumechange', () => this.#render())
    this.#statsButton.addEventListener('click', () => this.#toggleStats())
    document.addEventListener('keydown', (event) => {
      const typing = event.target instanceof HTMLInputElement && event.target.type !== 'range'
      if (event.key === 's' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) this.#toggleStats()
    })
    element('address', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault()
      const url = element('url', HTMLInputElement).value.trim()
      this.#shaka = element('dash-player', HTMLSelectElement).value === 'shaka'
      this.#keepToken(element('token', HTMLInputElement).value)
      // The token stays out of the address: addresses are passed on, and kept in histories.
      const query = new URLSearchParams({ url, ...(this.#shaka && { player: 'shaka' }) })
      history.replaceState(null, '', `?${query}`)
      this.open(sourceOf(url), undefined)
    })
  }

  #toggleStats(): void {
    this.#stats.hidden = !this.#stats.hidden
    this.#statsButton.setAttribute('aria-pressed', String(!this.#stats.hidden))
    // Whoever reads them is not moving the mouse.
    this.#stats.parentElement?.toggleAttribute('noautohide', !this.#stats.hidden)
    this.#render()
  }

  #render(): void {
    const session = this.#session
    const engine = session?.engine
    this.#notice.render(session ? session.notice : 'nothing')
    this.#controller.classList.toggle('covered', !session || session.notice !== undefined)
    this.#quality.render(engine)
    this.#texts.render(engine)
    this.#seekBar.render(engine)
    this.#unmute.hidden = !this.#video.muted || this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA
    const latency = engine?.latencyS()
    this.#latency.textContent = latency === undefined ? '' : `${secondsText(latency)} latency`
    if (!this.#stats.hidden) renderStats(this.#stats, { video: this.#video, engine, stalls: session?.stalls ?? 0 })
  }
}
