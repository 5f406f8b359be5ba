import { MediaPlayer, type MediaPlayerSettingClass } from 'dashjs'
import { isSmooth } from './address.ts'
import { DashHoles } from './dash-holes.ts'
import { type ListingManifest, newestStretch } from './dash-listing.ts'
import type { Engine, EngineEvents, Problem, Rendition, TextChoice, TimeRange } from './engine.ts'
import { problemOfStatus } from './errors.ts'
import { refusalOf, tokenHeaders } from './licence.ts'

const settings: MediaPlayerSettingClass = {
  // What goes wrong is told on the page; the engine complains of licences that come from a server, too.
  debug: { logLevel: 0 },
  streaming: {
    // What the manifest says of low latency goes before what it suggests to everybody.
    delay: { useSuggestedPresentationDelay: true },
    gaps: { jumpGaps: true, jumpLargeGaps: true, smallGapLimit: 1.5 },
    buffer: { fastSwitchEnabled: true, bufferToKeep: 60, bufferTimeDefault: 18 },
    // The manifest names our own clock; nobody else's is to be asked.
    utcSynchronization: { enabled: true, useManifestDateHeaderTimeSource: true },
    // A refused licence is not given for asking again; what the server can't tell yet is asked again by the session.
    retryAttempts: { MPD: 2, MediaSegment: 5, InitializationSegment: 5, license: 0 },
    retryIntervals: { MPD: 500, MediaSegment: 700, InitializationSegment: 700 },
    text: { defaultEnabled: false },
  },
}

/** A fragment of Smooth Streaming is to be had only when two more are there: nearer to its edge there would be nothing to ask for. */
const smoothSettings: MediaPlayerSettingClass = { streaming: { delay: { liveDelayFragmentCount: 4 } } }

/** How often the manifest is asked for while nothing new is there: what comes next may be listed any moment. */
const LOOK_AGAIN_MS = 1_000

/** The systems that licences are asked of; each licence server gets the token. */
const KEY_SYSTEMS = ['org.w3.clearkey', 'com.widevine.alpha', 'com.microsoft.playready']
const LICENCE_REFUSED = 114
/** No key system, no session, no licence server. */
const NO_KEY_SYSTEM = [106, 107, 108, 111, 112, 113]

type LicenceAnswer = { readonly serverResponse?: unknown; readonly responseCode?: number }
type DashError = { code?: number; message?: string; data?: (LicenceAnswer & { response?: { status?: number } }) | null }

/** dash.js tells what failed by a number (its `Errors` classes). */
function problemOf(error: DashError | string, lastStatus: number): Problem | undefined {
  const technical = typeof error === 'string' ? error : `${error.code}: ${error.message ?? ''}`
  const code = typeof error === 'string' ? 0 : (error.code ?? 0)
  if (error === 'mediasource') return { kind: 'unsupported', technical }
  if (code === LICENCE_REFUSED) {
    const { serverResponse, responseCode = 0 } = (typeof error === 'string' ? undefined : error.data) ?? {}
    return refusalOf(responseCode, serverResponse, technical)
  }
  if (NO_KEY_SYSTEM.includes(code)) return { kind: 'undecryptable', technical }
  if (error === 'capability' || code === 31 || code === 32) return { kind: 'codec', technical }
  if (code === 10) return lastStatus >= 400 ? problemOfStatus(lastStatus, technical) : { kind: 'manifest', technical }
  if (code === 11) return lastStatus >= 400 ? problemOfStatus(lastStatus, technical) : { kind: 'manifest', technical }
  if (code === 25 || code === 27 || code === 28) return problemOfStatus(lastStatus, technical)
  if (code === 16 || code === 21) return undefined
  return { kind: 'decode', technical }
}

class DashEngine implements Engine {
  readonly protocol = 'dash'
  readonly player = 'dash.js'
  readonly #events: EngineEvents
  readonly #player = MediaPlayer().create()
  #chosen = -1
  #text = -1
  #lastStatus = 0
  #stretch: TimeRange | undefined
  readonly #holes = new DashHoles()
  #lookDueMs = 0
  #isDestroyed = false

  constructor(video: HTMLVideoElement, url: string, events: EngineEvents) {
    this.#events = events
    const { events: names } = MediaPlayer
    const changed = () => events.changed()
    this.#player.initialize()
    this.#player.updateSettings(settings)
    if (isSmooth(url)) this.#player.updateSettings(smoothSettings)
    this.#player.clearDefaultUTCTimingSources()
    this.#player.on(names.STREAM_INITIALIZED, changed)
    this.#player.on(names.QUALITY_CHANGE_RENDERED, changed)
    this.#player.on(names.FRAGMENT_LOADING_COMPLETED, (event) => {
      const { response } = event as { response?: { status?: number } }
      this.#lastStatus = response?.status ?? this.#lastStatus
    })
    this.#player.on(names.MANIFEST_LOADED, (event) => {
      // The name of the event promises less than it does: every update of the manifest is one.
      // The manifest of Smooth Streaming is read but once: what it lists says nothing of what came since.
      if (!isSmooth(url)) this.#stretch = newestStretch((event as { data?: ListingManifest }).data ?? {})
      if (this.#stretch) this.#holes.listed(this.#stretch.start)
      changed()
    })
    this.#player.addResponseInterceptor(async (response) => {
      if (this.#isCounted && this.#holes.fill(response)) this.lookAgain()
      return response
    })
    this.#player.on(names.ERROR, (event) => this.#onError((event as { error: DashError | string }).error))
    this.#player.setAutoPlay(events.wantsPlayback())
    if (isSmooth(url)) void this.#attachSmooth(video, url)
    else this.#attach(video, url)
  }

  renditions(): readonly Rendition[] {
    if (!this.#player.isReady()) return []
    return this.#player.getRepresentationsByType('video').map((representation, index) => ({
      index,
      width: representation.width || undefined,
      height: representation.height || undefined,
      bitrateBps: representation.bandwidth || representation.bitrateInKbit * 1000,
    }))
  }

  active(): number {
    const current = this.#player.isReady() ? this.#player.getCurrentRepresentationForType('video') : null
    if (!current) return -1
    return this.#player.getRepresentationsByType('video').findIndex(({ id }) => id === current.id)
  }

  selected(): number {
    return this.#chosen
  }

  select(index: number): void {
    this.#chosen = index
    this.#player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: index < 0 } } } })
    if (index >= 0) this.#player.setRepresentationForTypeByIndex('video', index, false)
    this.#events.changed()
  }

  texts(): readonly TextChoice[] {
    if (!this.#player.isReady()) return []
    return this.#player.getTracksFor('text').map(({ lang, labels }, index) => {
      const language = lang ?? ''
      return { index, language, name: labels[0]?.text || language || `Text ${index + 1}` }
    })
  }

  selectedText(): number {
    return this.#text
  }

  selectText(index: number): void {
    this.#text = index
    this.#player.enableText(index >= 0)
    if (index >= 0) this.#player.setTextTrack(index)
    this.#events.changed()
  }

  isLive(): boolean {
    return this.#player.isReady() && this.#player.isDynamic()
  }

  seekRange(): TimeRange | undefined {
    if (!this.#player.isReady()) return undefined
    if (!this.#player.isDynamic()) return { start: 0, end: this.#player.duration() }
    const range = this.#player.getDvrWindow()
    if (!range) return undefined
    // The engine's window goes with the clock; while the encoder is away there is nothing to seek to at its end.
    const end = this.inputAway() ? Math.min(range.end, this.#stretch?.end ?? range.end) : range.end
    return end > range.start ? { start: range.start, end } : undefined
  }

  livePosition(): number | undefined {
    const range = this.seekRange()
    return range && this.isLive() ? range.end - this.#player.getTargetLiveDelay() : undefined
  }

  liveDelayS(): number | undefined {
    return this.isLive() ? this.#player.getTargetLiveDelay() || undefined : undefined
  }

  newestStretch(): TimeRange | undefined {
    const stretch = this.#stretch
    if (!stretch || Number.isFinite(stretch.end)) return stretch
    return { start: stretch.start, end: this.#player.getDvrWindow()?.end ?? stretch.start }
  }

  latencyS(): number | undefined {
    if (!this.isLive()) return undefined
    const latency = this.#player.getCurrentLiveLatency()
    return Number.isFinite(latency) && latency > 0 ? latency : undefined
  }

  bandwidthBps(): number | undefined {
    const kbps = this.#player.isReady() ? this.#player.getAverageThroughput('video') : Number.NaN
    return Number.isFinite(kbps) && kbps > 0 ? kbps * 1000 : undefined
  }

  /** A DASH timeline has no way to say so: what is missing is not listed, and the newest media grows old; what is counted is asked for in vain. */
  inputAway(): boolean {
    if (!this.isLive() || !this.#stretch) return false
    if (this.#isCounted) return this.#holes.isMissingFrom(this.#stretch.start)
    return (this.#player.getDvrWindow()?.end ?? 0) - this.#stretch.end > this.#player.getTargetLiveDelay()
  }

  waitsInVain(): boolean {
    return this.#isCounted && this.#holes.isInVain
  }

  lookAgain(): void {
    if (this.#isDestroyed || !this.isLive() || Date.now() < this.#lookDueMs) return
    this.#lookDueMs = Date.now() + LOOK_AGAIN_MS
    this.#player.refreshManifest(() => undefined)
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#player.destroy()
  }

  /** Segments are counted: nobody knows where the newest stretch ends. */
  get #isCounted(): boolean {
    return this.#stretch?.end === Number.POSITIVE_INFINITY
  }

  #attach(video: HTMLVideoElement, url: string): void {
    this.#player.attachView(video)
    const httpRequestHeaders = tokenHeaders(this.#events.token())
    // A header counts as credentials to the engine, which no server with open CORS would then answer.
    const licences = KEY_SYSTEMS.map((system) => [system, { httpRequestHeaders, withCredentials: false }])
    this.#player.setProtectionData(Object.fromEntries(licences))
    this.#player.attachTTMLRenderingDiv(this.#events.textLayer() as HTMLDivElement)
    this.#player.attachSource(url)
  }

  /** What reads Smooth Streaming is code of its own, which the engine finds when it gets its view. */
  async #attachSmooth(video: HTMLVideoElement, url: string): Promise<void> {
    try {
      await import('dashjs/mss')
    } catch (error) {
      if (!this.#isDestroyed) this.#events.failed({ kind: 'network', technical: String(error) })
      return
    }
    if (!this.#isDestroyed) this.#attach(video, url)
  }

  #onError(error: DashError | string): void {
    const status = typeof error === 'string' ? undefined : error.data?.response?.status
    const problem = problemOf(error, status ?? this.#lastStatus)
    if (problem) this.#events.failed(problem)
  }
}

export function openDash(video: HTMLVideoElement, url: string, events: EngineEvents): Engine {
  return new DashEngine(video, url, events)
}
