import Hls, { type ErrorData, ErrorDetails, ErrorTypes, Events, type Fragment, type LoadPolicy } from 'hls.js'
import type { Engine, EngineEvents, Problem, Rendition, TextChoice, TimeRange } from './engine.ts'
import { problemOfStatus } from './errors.ts'
import { keyRefusalOf, protectionConfig } from './hls-protection.ts'

const MEDIA_RECOVERIES = 3
/** What viewers of low latency are played faster by, when they have fallen behind. */
const CATCH_UP_RATE = 1.1

/** Fast retries inside the engine bridge a hiccup; what lasts longer is the session's business, with its back-off. */
function policy(attempts: number, firstByteMs: number): LoadPolicy {
  const retry = { maxNumRetry: attempts, retryDelayMs: 500, maxRetryDelayMs: 4_000, backoff: 'exponential' as const }
  return {
    default: {
      maxTimeToFirstByteMs: firstByteMs,
      maxLoadTimeMs: 30_000,
      timeoutRetry: retry,
      errorRetry: {
        ...retry,
        // "Not there yet" and "busy" pass; every other refusal of a client stays one.
        shouldRetry: (_config, count, _isTimeout, response, retryByDefault) =>
          count < attempts && (retryByDefault || [404, 412, 429].includes(response?.code ?? 0)),
      },
    },
  }
}

function problemOf(data: ErrorData): Problem {
  const technical = `${data.details}: ${data.error.message}`
  if (data.type === ErrorTypes.NETWORK_ERROR) {
    if (data.details === ErrorDetails.MANIFEST_PARSING_ERROR) return { kind: 'manifest', technical }
    // A playlist without a segment is a stream that has been published and not begun.
    if (data.details === ErrorDetails.LEVEL_EMPTY_ERROR) return { kind: 'not-started', technical }
    return problemOfStatus(data.response?.code ?? 0, technical)
  }
  if (data.type === ErrorTypes.KEY_SYSTEM_ERROR) {
    const isRefused = data.details === ErrorDetails.KEY_SYSTEM_LICENSE_REQUEST_FAILED
    return isRefused ? problemOfStatus(data.response?.code ?? 0, technical) : { kind: 'undecryptable', technical }
  }
  const codecs: string[] = [
    ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
    ErrorDetails.BUFFER_ADD_CODEC_ERROR,
    ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ]
  return { kind: codecs.includes(data.details) ? 'codec' : 'decode', technical }
}

function isGap({ tagList }: Fragment): boolean {
  return tagList.some(([tag]) => tag === 'GAP')
}

class HlsEngine implements Engine {
  readonly protocol = 'hls'
  readonly player = 'hls.js'
  readonly #video: HTMLVideoElement
  readonly #events: EngineEvents
  #recoveries = 0
  readonly #hls = new Hls({
    ...protectionConfig(() => this.#events.token()),
    liveDurationInfinity: true,
    // Encoders that were away leave holes; a late stall must not push the viewer further and further back.
    liveSyncOnStallIncrease: 0,
    maxBufferLength: 30,
    backBufferLength: 60,
    maxBufferHole: 0.3,
    nudgeMaxRetry: 8,
    lowLatencyMode: true,
    capLevelToPlayerSize: false,
    enableInterstitialPlayback: false,
    manifestLoadPolicy: policy(2, 10_000),
    playlistLoadPolicy: policy(6, 20_000),
    fragLoadPolicy: policy(5, 10_000),
  })

  constructor(video: HTMLVideoElement, url: string, events: EngineEvents) {
    this.#video = video
    this.#events = events
    const changed = () => events.changed()
    this.#hls.on(Events.MANIFEST_PARSED, () => {
      changed()
      this.#play()
    })
    this.#hls.on(Events.LEVELS_UPDATED, changed)
    this.#hls.on(Events.SUBTITLE_TRACKS_UPDATED, changed)
    // Half a second late is much where the delay is a second and a half, and nothing where it is twelve.
    this.#hls.on(Events.LEVEL_UPDATED, (_event, { details }) => {
      this.#hls.config.maxLiveSyncPlaybackRate = details.live && details.partTarget > 0 ? CATCH_UP_RATE : 1
    })
    this.#hls.on(Events.LEVEL_SWITCHED, changed)
    this.#hls.on(Events.ERROR, (_event, data) => this.#onError(data))
    this.#hls.loadSource(url)
    this.#hls.attachMedia(video)
  }

  renditions(): readonly Rendition[] {
    return this.#hls.levels.map((level, index) => ({
      index,
      width: level.width || undefined,
      height: level.height || undefined,
      bitrateBps: level.bitrate,
    }))
  }

  active(): number {
    return this.#hls.currentLevel
  }

  selected(): number {
    return this.#hls.autoLevelEnabled ? -1 : this.#hls.manualLevel
  }

  select(index: number): void {
    this.#hls.nextLevel = index
    this.#events.changed()
  }

  texts(): readonly TextChoice[] {
    return this.#hls.subtitleTracks.map(({ name, lang = '' }, index) => ({ index, name, language: lang }))
  }

  selectedText(): number {
    return this.#hls.subtitleTrack
  }

  selectText(index: number): void {
    this.#hls.subtitleTrack = index
    this.#events.changed()
  }

  isLive(): boolean {
    return this.#hls.latestLevelDetails?.live ?? false
  }

  seekRange(): TimeRange | undefined {
    const details = this.#hls.latestLevelDetails
    return details ? { start: details.fragmentStart, end: details.edge } : undefined
  }

  livePosition(): number | undefined {
    const details = this.#hls.latestLevelDetails
    const delay = this.#hls.targetLatency
    if (!details?.live || delay === null) return undefined
    // The edge moves on between two reloads, but not past what the next one can bring.
    return details.edge + Math.min(details.age, details.targetduration) - delay
  }

  liveDelayS(): number | undefined {
    return this.#hls.targetLatency ?? undefined
  }

  newestStretch(): TimeRange | undefined {
    const fragments = this.#hls.latestLevelDetails?.fragments ?? []
    const last = fragments.findLastIndex((fragment) => !isGap(fragment))
    const newest = fragments[last]
    if (!newest) return undefined
    let first = newest
    for (const fragment of fragments.slice(0, last).reverse()) {
      if (isGap(fragment) || fragment.cc !== newest.cc) break
      first = fragment
    }
    return { start: first.start, end: newest.end }
  }

  latencyS(): number | undefined {
    if (!this.isLive()) return undefined
    const playing = this.#hls.playingDate
    if (playing) return Math.max(0, (Date.now() - playing.getTime()) / 1000)
    return this.#hls.latency || undefined
  }

  bandwidthBps(): number | undefined {
    return Number.isFinite(this.#hls.bandwidthEstimate) ? this.#hls.bandwidthEstimate : undefined
  }

  inputAway(): boolean {
    const details = this.#hls.latestLevelDetails
    const newest = details?.fragments.at(-1)
    return details?.live === true && newest !== undefined && isGap(newest)
  }

  destroy(): void {
    this.#hls.destroy()
    this.#video.removeAttribute('src')
  }

  #play(): void {
    // Browsers may refuse; then the play button is the viewer's.
    if (this.#events.wantsPlayback()) void this.#video.play().catch(() => undefined)
  }

  #onError(data: ErrorData): void {
    const refusal = keyRefusalOf(data)
    if (refusal) {
      this.#events.failed(refusal)
      return
    }
    if (!data.fatal) return
    const problem = problemOf(data)
    if (problem.kind === 'decode' && this.#recoveries < MEDIA_RECOVERIES) {
      this.#recoveries += 1
      this.#hls.recoverMediaError()
      // Attaching the element anew has paused it.
      this.#play()
      return
    }
    this.#events.failed(problem)
  }
}

export function openHls(video: HTMLVideoElement, url: string, events: EngineEvents): Engine {
  return new HlsEngine(video, url, events)
}
