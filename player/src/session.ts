import { isSmooth } from './address.ts'
import type { Engine, OpenEngine, Problem, Protocol } from './engine.ts'
import { tellCorsFromNetwork } from './errors.ts'
import { wantsToken } from './licence.ts'
import { openNative, playsHlsNatively } from './native-engine.ts'
import { PlaybackWatch } from './playback-watch.ts'

/** What the page shows over the picture. */
export type Notice =
  /** `retryAtMs`: absent where it makes no sense to try again by itself. */
  | { readonly kind: 'problem'; readonly problem: Problem; readonly retryAtMs: number | undefined }
  | { readonly kind: 'away' | 'waiting' }

export type SessionEvents = {
  changed(): void
  /** As `EngineEvents.token`. */
  token(): string | undefined
  /** As `EngineEvents.textLayer`. */
  textLayer(): HTMLElement
}

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 10_000
/** Engines are code of their own that is fetched when it is first needed. */
const engines: Readonly<Record<Protocol | 'shaka', () => Promise<OpenEngine>>> = {
  hls: async () => (await import('./hls-engine.ts')).openHls,
  dash: async () => (await import('./dash-engine.ts')).openDash,
  shaka: async () => (await import('./shaka-engine.ts')).openShaka,
}

/** A manifest, and what plays it. */
export type SessionSource = { readonly protocol: Protocol; readonly url: string; readonly shaka: boolean }

/** Whether this browser lets a script feed a video element. */
export function hasMediaSource(): boolean {
  return 'MediaSource' in window || 'ManagedMediaSource' in window
}

/** Keeps one stream playing: opens the engine, and opens it again, with back-off, whenever it fails or stands still. */
export class Session {
  readonly protocol: Protocol
  readonly #video: HTMLVideoElement
  readonly #url: string
  readonly #shaka: boolean
  readonly #events: SessionEvents
  readonly #watch: PlaybackWatch
  #engine: Engine | undefined
  #notice: Notice | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #delayMs = FIRST_RETRY_MS
  #wantedRendition = -1
  /** `undefined`: as the stream has it. */
  #wantedText: number | undefined
  #wantsPlayback = true
  #closed = false
  #isRestoring = false
  readonly #listeners = new AbortController()

  constructor(video: HTMLVideoElement, { protocol, url, shaka }: SessionSource, events: SessionEvents) {
    this.protocol = protocol
    this.#video = video
    this.#url = url
    // It has no code for Smooth Streaming here.
    this.#shaka = shaka && protocol === 'dash' && !isSmooth(url)
    this.#events = events
    this.#watch = new PlaybackWatch(video, {
      engine: () => this.#engine,
      progressed: () => this.#onProgress(),
      standing: (away) => this.#onStanding(away),
      hopeless: () => this.retryNow(),
    })
    const { signal } = this.#listeners
    const onPlay = () => {
      this.#wantsPlayback = true
    }
    video.addEventListener('play', onPlay, { signal })
    video.addEventListener('pause', () => this.#onPaused(), { signal })
    void this.#open()
  }

  get engine(): Engine | undefined {
    return this.#engine
  }

  get notice(): Notice | undefined {
    return this.#notice
  }

  /** How often playback has stopped for want of data, seeking apart. */
  get stalls(): number {
    return this.#watch.stalls
  }

  /** -1: automatic. The choice outlives a restart of the engine. */
  select(index: number): void {
    this.#wantedRendition = index
    this.#engine?.select(index)
  }

  /** -1: none. The choice outlives a restart of the engine. */
  selectText(index: number): void {
    this.#wantedText = index
    this.#engine?.selectText(index)
  }

  seekToLive(): void {
    const position = this.#engine?.livePosition()
    if (position !== undefined) this.#video.currentTime = position
    // A refusal leaves the play button to the viewer.
    void this.#video.play().catch(() => undefined)
  }

  /** Starts the engine afresh without waiting for the back-off. */
  retryNow(): void {
    clearTimeout(this.#retry)
    this.#closeEngine()
    void this.#open()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#watch.stop()
    this.#listeners.abort()
    this.#closeEngine()
  }

  async #open(): Promise<void> {
    try {
      const open = await this.#openEngine()
      if (this.#closed || this.#engine) return
      if (!open) {
        await this.#fail({ kind: 'unsupported', technical: 'no Media Source Extensions' })
        return
      }
      // An engine learns that playback begins from the element's event, which a playing element would not fire.
      this.#video.pause()
      this.#watch.restarted()
      const engine = open(this.#video, this.#url, {
        changed: () => this.#onChanged(engine),
        failed: (problem) => void (engine === this.#engine && this.#fail(problem)),
        wantsPlayback: () => this.#wantsPlayback,
        token: () => this.#events.token(),
        textLayer: () => this.#events.textLayer(),
      })
      this.#engine = engine
      this.#events.changed()
    } catch (error) {
      await this.#fail({ kind: 'network', technical: String(error) })
    }
  }

  async #openEngine(): Promise<OpenEngine | undefined> {
    if (hasMediaSource()) return engines[this.#shaka ? 'shaka' : this.protocol]()
    return this.protocol === 'hls' && playsHlsNatively(this.#video) ? openNative : undefined
  }

  #closeEngine(): void {
    // The event of a pause comes later than the pause.
    if (this.#engine && this.#video.paused) this.#onPaused()
    this.#engine?.destroy()
    this.#engine = undefined
  }

  /** An element that is given another source, and one that has come to its end, pauses by itself. */
  #onPaused(): void {
    const { readyState, ended } = this.#video
    if (readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !ended) this.#wantsPlayback = false
  }

  #onChanged(engine: Engine): void {
    // What is chosen here is a change too.
    if (this.#isRestoring) return
    this.#isRestoring = true
    try {
      this.#restore(engine)
    } finally {
      this.#isRestoring = false
    }
    this.#events.changed()
  }

  /** Makes the viewer's choices again in an engine that has begun anew, as soon as it offers them. */
  #restore(engine: Engine): void {
    const wanted = this.#wantedRendition
    const isOffered = engine.renditions().some(({ index }) => index === wanted)
    if (isOffered && engine.selected() !== wanted) engine.select(wanted)
    const text = this.#wantedText
    if (text === undefined || engine.selectedText() === text) return
    if (text < 0 || engine.texts().some(({ index }) => index === text)) engine.selectText(text)
  }

  async #fail(failure: Problem): Promise<void> {
    this.#closeEngine()
    const problem = await tellCorsFromNetwork(failure, this.#url)
    if (this.#closed || this.#engine) return
    clearTimeout(this.#retry)
    const retryAtMs = wantsToken(problem) ? undefined : Date.now() + this.#delayMs
    this.#notice = { kind: 'problem', problem, retryAtMs }
    if (retryAtMs !== undefined) {
      this.#retry = setTimeout(() => this.retryNow(), this.#delayMs)
      this.#delayMs = Math.min(LONGEST_RETRY_MS, this.#delayMs * 1.6)
    }
    this.#events.changed()
  }

  #onProgress(): void {
    this.#delayMs = FIRST_RETRY_MS
    if (!this.#notice) return
    this.#notice = undefined
    this.#events.changed()
  }

  #onStanding(away: boolean): void {
    const kind = away ? 'away' : 'waiting'
    if (this.#notice?.kind === 'problem' || this.#notice?.kind === kind) return
    this.#notice = { kind }
    this.#events.changed()
  }
}
