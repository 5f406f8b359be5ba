import type { Engine, EngineEvents, Problem, Rendition, TextChoice, TimeRange } from './engine.ts'
import { problemOfStatus } from './errors.ts'
import { withToken } from './licence.ts'

const TYPE = 'application/vnd.apple.mpegurl'
/** Browsers that play HLS by themselves stay about three segments behind the end of what can be sought to. */
const DELAY_S = 6

/** Whether the browser plays HLS without a script, as iPhones do that have no Media Source Extensions. */
export function playsHlsNatively(video: HTMLVideoElement): boolean {
  return video.canPlayType(TYPE) !== ''
}

/** WebKit tells the wall clock of the timeline's zero. */
type WithStartDate = HTMLVideoElement & { getStartDate?(): Date }

/** Others carry timed metadata, which is nobody's choice. */
function isRead({ kind }: TextTrack): boolean {
  return kind === 'subtitles' || kind === 'captions'
}

/** The browser's own HLS: it chooses the quality itself and tells little of what it does. */
class NativeEngine implements Engine {
  readonly protocol = 'hls'
  readonly player = 'native'
  readonly #video: WithStartDate
  readonly #url: string
  readonly #events: EngineEvents
  readonly #listeners = new AbortController()

  constructor(video: HTMLVideoElement, url: string, events: EngineEvents) {
    this.#video = video
    this.#url = withToken(url, events.token())
    this.#events = events
    const { signal } = this.#listeners
    video.addEventListener('error', () => void this.#onError(), { signal })
    video.addEventListener('loadedmetadata', () => events.changed(), { signal })
    // Texts are told of one by one, some after the rest.
    video.textTracks.addEventListener('addtrack', () => events.changed(), { signal })
    video.src = this.#url
    // Browsers may refuse; then the play button is the viewer's.
    if (events.wantsPlayback()) void video.play().catch(() => undefined)
  }

  renditions(): readonly Rendition[] {
    return []
  }

  active(): number {
    return -1
  }

  selected(): number {
    return -1
  }

  select(): void {}

  texts(): readonly TextChoice[] {
    return [...this.#video.textTracks].flatMap((track, index) => {
      const { label, language } = track
      return isRead(track) ? [{ index, name: label || language, language }] : []
    })
  }

  selectedText(): number {
    return [...this.#video.textTracks].findIndex((track) => isRead(track) && track.mode === 'showing')
  }

  selectText(index: number): void {
    for (const [at, track] of [...this.#video.textTracks].entries()) {
      if (isRead(track)) track.mode = at === index ? 'showing' : 'disabled'
    }
    this.#events.changed()
  }

  isLive(): boolean {
    return this.#video.duration === Number.POSITIVE_INFINITY
  }

  seekRange(): TimeRange | undefined {
    const { seekable } = this.#video
    const last = seekable.length - 1
    return last < 0 ? undefined : { start: seekable.start(0), end: seekable.end(last) }
  }

  livePosition(): number | undefined {
    const range = this.seekRange()
    return range && this.isLive() ? Math.max(range.start, range.end - DELAY_S) : undefined
  }

  /** Unknown, so that nobody holds back what the browser has decided to play. */
  liveDelayS(): number | undefined {
    return undefined
  }

  newestStretch(): TimeRange | undefined {
    return undefined
  }

  latencyS(): number | undefined {
    const startMs = this.#video.getStartDate?.().getTime() ?? Number.NaN
    return this.isLive() && startMs > 0 ? (Date.now() - startMs) / 1000 - this.#video.currentTime : undefined
  }

  bandwidthBps(): number | undefined {
    return undefined
  }

  inputAway(): boolean {
    return false
  }

  destroy(): void {
    this.#listeners.abort()
    this.#video.removeAttribute('src')
    this.#video.load()
  }

  async #onError(): Promise<void> {
    const problem = await this.#problem()
    if (!this.#listeners.signal.aborted) this.#events.failed(problem)
  }

  /** The element says only that it failed; what the server says to the same request tells more. */
  async #problem(): Promise<Problem> {
    const technical = `media error ${this.#video.error?.code}: ${this.#video.error?.message ?? ''}`
    try {
      const { ok, status } = await fetch(this.#url, { cache: 'no-store', signal: AbortSignal.timeout(5_000) })
      return ok ? { kind: 'decode', technical } : problemOfStatus(status, technical)
    } catch {
      return { kind: 'network', technical }
    }
  }
}

export function openNative(video: HTMLVideoElement, url: string, events: EngineEvents): Engine {
  return new NativeEngine(video, url, events)
}
