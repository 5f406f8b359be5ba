import shaka from 'shaka-player/dist/shaka-player.dash-es2021.js'
import type { Engine, EngineEvents, Problem, Rendition, TextChoice, TimeRange } from './engine.ts'
import { problemOfStatus } from './errors.ts'
import { refusalOf, tokenHeaders } from './licence.ts'

const { Code, Category, Severity } = shaka.util.Error
const { RequestType } = shaka.net.NetworkingEngine

type ShakaError = {
  readonly severity?: number
  readonly category?: number
  readonly code?: number
  readonly data?: unknown[]
}

/** shaka-player tells what failed by a code; of a failed request its data has the URL, the status and what was answered. */
function problemOf(error: ShakaError): Problem {
  const { code = 0, category, data = [] } = error
  const technical = `shaka ${code}: ${String((data[0] as ShakaError | undefined)?.code ?? data[0] ?? error)}`
  if (code === Code.LICENSE_REQUEST_FAILED) {
    const [, status, text] = (data[0] as ShakaError | undefined)?.data ?? []
    return refusalOf(typeof status === 'number' ? status : 0, text, technical)
  }
  if (code === Code.BAD_HTTP_STATUS) return problemOfStatus(Number(data[1]), technical)
  if (category === Category.NETWORK) return { kind: 'network', technical }
  if (category === Category.MANIFEST) {
    const isCodec = code === Code.CONTENT_UNSUPPORTED_BY_BROWSER
    return { kind: isCodec ? 'codec' : 'manifest', technical }
  }
  if (category === Category.DRM) return { kind: 'undecryptable', technical }
  return { kind: 'decode', technical }
}

/** shaka-player on an MPD: another opinion of it than that of dash.js. */
class ShakaEngine implements Engine {
  readonly protocol = 'dash'
  readonly player = 'shaka-player'
  readonly #video: HTMLVideoElement
  readonly #events: EngineEvents
  readonly #shaka = new shaka.Player()
  #chosen = -1
  #text = -1
  #isDestroyed = false

  constructor(video: HTMLVideoElement, url: string, events: EngineEvents) {
    this.#video = video
    this.#events = events
    this.#shaka.configure({
      // A refused licence is not given for asking again.
      drm: { retryParameters: { maxAttempts: 1 } },
      streaming: { rebufferingGoal: 1, bufferBehind: 60 },
      abr: { enabled: true },
    })
    for (const name of ['trackschanged', 'adaptation', 'variantchanged', 'textchanged']) {
      this.#shaka.addEventListener(name, () => events.changed())
    }
    this.#shaka.addEventListener('error', (event: Event) => {
      const { detail } = event as CustomEvent<ShakaError>
      if (detail.severity === Severity.CRITICAL) this.#fail(detail)
    })
    this.#shaka.getNetworkingEngine()?.registerRequestFilter((type, request) => {
      if (type === RequestType.LICENSE) Object.assign(request.headers, tokenHeaders(events.token()))
    })
    void this.#load(url)
  }

  renditions(): readonly Rendition[] {
    return this.#tracks().map(({ width, height, bandwidth }, index) => ({
      index,
      width: width ?? undefined,
      height: height ?? undefined,
      bitrateBps: bandwidth,
    }))
  }

  active(): number {
    return this.#tracks().findIndex(({ active }) => active)
  }

  selected(): number {
    return this.#chosen
  }

  select(index: number): void {
    this.#chosen = index
    this.#shaka.configure({ abr: { enabled: index < 0 } })
    const track = this.#tracks()[index]
    if (track) this.#shaka.selectVariantTrack(track)
    this.#events.changed()
  }

  texts(): readonly TextChoice[] {
    return this.#shaka.getTextTracks().map(({ label, language }, index) => {
      return { index, language, name: label || language || `Text ${index + 1}` }
    })
  }

  selectedText(): number {
    return this.#text
  }

  selectText(index: number): void {
    this.#text = index
    this.#shaka.selectTextTrack(this.#shaka.getTextTracks()[index] ?? null)
    this.#events.changed()
  }

  isLive(): boolean {
    return this.#shaka.isLive()
  }

  seekRange(): TimeRange | undefined {
    const { start, end } = this.#shaka.seekRange()
    return end > start ? { start, end } : undefined
  }

  /** The engine's window ends where playback at the live edge is. */
  livePosition(): number | undefined {
    return this.isLive() ? this.seekRange()?.end : undefined
  }

  liveDelayS(): number | undefined {
    return this.isLive() ? this.#shaka.getManifest()?.presentationTimeline.getDelay() : undefined
  }

  newestStretch(): TimeRange | undefined {
    return undefined
  }

  latencyS(): number | undefined {
    const playing = this.isLive() ? this.#shaka.getPlayheadTimeAsDate() : null
    return playing ? Math.max(0, (Date.now() - playing.getTime()) / 1000) : undefined
  }

  bandwidthBps(): number | undefined {
    const { estimatedBandwidth } = this.#shaka.getStats()
    return Number.isFinite(estimatedBandwidth) ? estimatedBandwidth : undefined
  }

  inputAway(): boolean {
    return false
  }

  destroy(): void {
    this.#isDestroyed = true
    // It lets go of the element by and by; what goes wrong with that is nobody's concern any more.
    void this.#shaka.destroy().catch(() => undefined)
  }

  /** In the order of their bitrates, which the engine's own list is not in. */
  #tracks(): shaka.extern.Track[] {
    return [...this.#shaka.getVariantTracks()].sort((a, b) => a.bandwidth - b.bandwidth)
  }

  async #load(url: string): Promise<void> {
    try {
      await this.#shaka.attach(this.#video)
      this.#shaka.setVideoContainer(this.#events.textLayer())
      await this.#shaka.load(url)
      this.#events.changed()
      // Browsers may refuse; then the play button is the viewer's.
      if (this.#events.wantsPlayback()) await this.#video.play().catch(() => undefined)
    } catch (error) {
      this.#fail(error as ShakaError)
    }
  }

  #fail(error: ShakaError): void {
    if (!this.#isDestroyed) this.#events.failed(problemOf(error))
  }
}

export function openShaka(video: HTMLVideoElement, url: string, events: EngineEvents): Engine {
  return new ShakaEngine(video, url, events)
}
