import { type AudioConfig, type CodecConfig, type Sample, timescaleOf, type VideoConfig } from '../media/media.ts'

/** Something on its way into a child. */
export type GateItem = { readonly kind: 'video' | 'audio'; readonly sample: Sample }

/** A child may begin: with these tracks (no audio: silence is to be made; no video: the source has sound alone) and these items first. */
export type StartDecision = {
  readonly video: VideoConfig | undefined
  readonly audio: AudioConfig | undefined
  readonly items: readonly GateItem[]
  /** PTS of the first picture at 90 kHz; 0 where there is none. */
  readonly firstPtsTicks: number
}

/** How long to wait for a sound, and how much to hold meanwhile. */
export type StartGateOptions = { readonly audioWaitMs: number; readonly maxBytes: number }

/** An announced picture is waited for this many times as long as a sound. */
const PICTURE_PATIENCE = 5

type Configs = { readonly video: VideoConfig | undefined; readonly audio: AudioConfig | undefined }

/** Media time of a sample's presentation in milliseconds. */
export function presentationMs(sample: Sample, config: CodecConfig): number {
  return ((sample.dtsTicks + sample.compositionTicks) * 1000) / timescaleOf(config)
}

/**
 * Holds what comes before a child can begin: from the first independent picture on, so that no first GOP is lost, until a
 * sound has come as well or `audioWaitMs` of media or of the clock have passed without one.
 */
export class StartGate {
  readonly #options: StartGateOptions
  #items: (GateItem & { readonly ptsMs: number })[] = []
  #sizeBytes = 0
  #firstPicture: { readonly ptsTicks: number; readonly ptsMs: number; readonly nowMs: number } | undefined
  #firstAudio: { readonly ptsMs: number; readonly nowMs: number } | undefined
  #newestMs = 0
  #hasAudio = false

  constructor(options: StartGateOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#items.length === 0
  }

  /** Bytes held; never more than the budget. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * Takes a sample of a track that is configured. Gives how many pictures were let go: those before an independent one,
   * and all that is held when the budget is full.
   */
  push(kind: 'video' | 'audio', sample: Sample, config: CodecConfig, nowMs: number): number {
    if (kind === 'video' && this.#firstPicture === undefined && !sample.independent) return 1
    let dropped = 0
    if (this.#sizeBytes + sample.data.byteLength > this.#options.maxBytes) {
      dropped = this.reset()
      if (kind === 'video' && !sample.independent) return dropped + 1
    }
    const ptsMs = presentationMs(sample, config)
    if (kind === 'video') {
      this.#firstPicture ??= { ptsTicks: sample.dtsTicks + sample.compositionTicks, ptsMs, nowMs }
    } else {
      this.#hasAudio = true
      this.#firstAudio ??= { ptsMs, nowMs }
    }
    this.#newestMs = Math.max(this.#newestMs, ptsMs)
    this.#items.push({ kind, sample, ptsMs })
    this.#sizeBytes += sample.data.byteLength
    if (this.#firstPicture === undefined) this.#forgetOldAudio()
    return dropped
  }

  /** Forgets everything and gives how many pictures that were. */
  reset(): number {
    const pictures = this.#items.reduce((count, { kind }) => count + (kind === 'video' ? 1 : 0), 0)
    this.#items = []
    this.#sizeBytes = 0
    this.#firstPicture = undefined
    this.#firstAudio = undefined
    this.#newestMs = 0
    this.#hasAudio = false
    return pictures
  }

  /**
   * What a child can begin with, or `undefined` while there is something to wait for. `force`: with what there is, as
   * nothing more will come. `startsSilent`: with the first picture, no sound being awaited. `audioFromMs`: sound before this media time isn't wanted; where it is left out, none that is
   * over before the first picture.
   */
  decide(
    configs: Configs,
    nowMs: number,
    options: {
      readonly force?: boolean
      readonly startsSilent?: boolean
      readonly audioFromMs?: number | undefined
    } = {},
  ): StartDecision | undefined {
    const picture = this.#firstPicture
    const atOnce = options.force || (options.startsSilent && picture !== undefined)
    if (this.isEmpty || !(atOnce || this.#isReady(configs, nowMs))) return undefined
    const audioFromMs = options.audioFromMs ?? picture?.ptsMs ?? 0
    const items = this.#items.filter(({ kind, ptsMs }) => kind === 'video' || ptsMs >= audioFromMs)
    const audio = this.#hasAudio ? configs.audio : undefined
    const video = picture === undefined ? undefined : configs.video
    if (items.length === 0 || (video === undefined && audio === undefined)) return undefined
    this.reset()
    return { video, audio, items, firstPtsTicks: picture?.ptsTicks ?? 0 }
  }

  #isReady(configs: Configs, nowMs: number): boolean {
    const { audioWaitMs } = this.#options
    const picture = this.#firstPicture
    if (picture !== undefined) return this.#hasAudio || this.#hasWaited(picture, audioWaitMs, nowMs)
    // A picture that is announced is waited for longer: the announcement may be the last input's.
    const patienceMs = configs.video === undefined ? audioWaitMs : PICTURE_PATIENCE * audioWaitMs
    return this.#firstAudio !== undefined && this.#hasWaited(this.#firstAudio, patienceMs, nowMs)
  }

  #hasWaited(since: { readonly ptsMs: number; readonly nowMs: number }, waitMs: number, nowMs: number): boolean {
    return nowMs - since.nowMs >= waitMs || this.#newestMs - since.ptsMs >= waitMs
  }

  /** While no picture has come, a second and a half of sound is enough to begin with. */
  #forgetOldAudio(): void {
    const oldestMs = this.#newestMs - this.#options.audioWaitMs - 500
    for (let oldest = this.#items[0]; oldest && oldest.ptsMs < oldestMs; oldest = this.#items[0]) {
      this.#items.shift()
      this.#sizeBytes -= oldest.sample.data.byteLength
    }
  }
}
