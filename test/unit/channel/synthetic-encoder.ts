import type { ContributionSink, InputName } from '../../../src/channel/ports.ts'
import type { AudioConfig, Contribution, VideoConfig } from '../../../src/media/media.ts'
import { audio, type ChannelBench, video } from './channel-bench.ts'

type Frame = Extract<Contribution, { readonly type: 'frame' }>

export type EncoderOptions = {
  readonly fps: number
  /** Frames between key frames. */
  readonly gop: number
  /** Consecutive B-frames; the GOPs are closed. */
  readonly bFrames?: number
  readonly video?: VideoConfig | undefined
  readonly audio?: AudioConfig | undefined
  /** Milliseconds for which the sound stays away at first. */
  readonly audioLateMs?: number
  /** Extra milliseconds before the nth frame, in display order: variable frame rate. */
  readonly jitterMs?: (frame: number) => number
  /** The timestamp with which it starts. */
  readonly startMs?: number
  readonly firstId?: number
}

/** A frame that was sent: what its sample has to be. */
export type SentFrame = {
  readonly id: number
  readonly kind: 'video' | 'audio'
  readonly dtsMs: number
  readonly ptsMs: number
  /** Counts up where the encoder's clock did not simply go on. */
  readonly course: number
}

/** Sends what an RTMP encoder would: whole milliseconds, sound and pictures interleaved by decode time. */
export class SyntheticEncoder {
  readonly sent: SentFrame[] = []
  readonly #options: EncoderOptions
  readonly #startMs: number
  #clockShiftMs = 0
  #course = 0
  #videoFrame = 0
  #audioFrame = 0
  /** Media time that was sent, from 0. */
  #elapsedMs = 0
  #videoDueMs = 0
  #id: number

  constructor(options: EncoderOptions) {
    this.#options = options
    this.#startMs = options.startMs ?? 0
    this.#id = options.firstId ?? 0
  }

  get nextId(): number {
    return this.#id
  }

  configure(
    sink: ContributionSink,
    change: { readonly video?: VideoConfig | undefined; readonly audio?: AudioConfig | undefined } = this.#options,
  ): void {
    if (change.video) void sink.push({ type: 'config', trackId: 0, config: change.video })
    if (change.audio) void sink.push({ type: 'config', trackId: 0, config: change.audio })
  }

  /** The encoder's clock is set by so much. */
  jump(ms: number): void {
    this.#clockShiftMs += ms
    this.#course++
  }

  /** Nothing is sent for so long, but the clock goes on; pictures go on with a key frame. */
  pause(ms: number): void {
    this.#elapsedMs += ms
    this.#course++
    this.#videoDueMs = Math.max(this.#videoDueMs, this.#elapsedMs)
    this.#audioFrame = Math.ceil((this.#elapsedMs * 48) / 1_024)
    this.#toKeyFrame()
  }

  /** The next picture is a key frame. */
  #toKeyFrame(): void {
    this.#videoFrame = Math.ceil(this.#videoFrame / this.#options.gop) * this.#options.gop
  }

  forceKeyFrame(): void {
    this.#toKeyFrame()
  }

  /** Sends what falls into the next `ms`. */
  play(sink: ContributionSink, ms: number): void {
    this.#elapsedMs += ms
    const { audio, video, audioLateMs = 0 } = this.#options
    for (;;) {
      const audioMs = audio ? this.#audioFrame * (1_024 / 48) : Number.POSITIVE_INFINITY
      const videoMs = video ? this.#videoDueMs : Number.POSITIVE_INFINITY
      const nextMs = Math.min(audioMs, videoMs)
      if (nextMs >= this.#elapsedMs) return
      if (videoMs <= audioMs) this.#sendVideo(sink, videoMs)
      else if (this.#audioFrame++ >= 0 && audioMs >= audioLateMs) this.#send(sink, 'audio', audioMs, 0, true)
    }
  }

  #sendVideo(sink: ContributionSink, decodeMs: number): void {
    const { fps, gop, bFrames = 0, jitterMs } = this.#options
    const inGop = this.#videoFrame % gop
    const frameMs = 1_000 / fps
    const delay = bFrames > 0 ? 1 : 0
    // Decode order within a mini-GOP: the P-frame, then the B-frames that are shown before it.
    const period = bFrames + 1
    const place = inGop === 0 ? 0 : (inGop - 1) % period
    const isWhole = inGop === 0 || inGop - 1 - place + period < gop
    const ahead = inGop === 0 || !isWhole ? 0 : place === 0 ? bFrames : -1
    this.#send(sink, 'video', decodeMs, (delay + ahead) * frameMs, inGop === 0)
    this.#videoFrame++
    this.#videoDueMs += frameMs + (jitterMs?.(this.#videoFrame) ?? 0)
  }

  #send(sink: ContributionSink, kind: 'video' | 'audio', atMs: number, aheadMs: number, independent: boolean): void {
    const clockMs = this.#startMs + this.#clockShiftMs
    const dtsMs = Math.round(clockMs + atMs)
    const compositionMs = Math.round(clockMs + atMs + aheadMs) - dtsMs
    const id = this.#id++
    const data = new Uint8Array(kind === 'audio' ? 20 : independent ? 400 : 60)
    new DataView(data.buffer).setUint32(0, id)
    this.sent.push({ id, kind, dtsMs, ptsMs: dtsMs + compositionMs, course: this.#course })
    const frame: Frame = { type: 'frame', kind, trackId: 0, dtsMs: toUint32(dtsMs), compositionMs, independent, data }
    void sink.push(frame)
  }
}

/** RTMP's 32 bits. */
function toUint32(ms: number): number {
  return ((ms % 2 ** 32) + 2 ** 32) % 2 ** 32
}

/** Lets encoders and the clock run side by side, in steps of 100 ms. */
export async function run(
  bench: ChannelBench,
  sources: readonly (readonly [SyntheticEncoder, ContributionSink])[],
  ms: number,
): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    await bench.clock.advance(100)
    for (const [encoder, sink] of sources) encoder.play(sink, 100)
  }
}

/** Publishes and says what comes. */
export async function live(
  bench: ChannelBench,
  encoder: SyntheticEncoder,
  layer?: string,
  input?: InputName,
): Promise<ContributionSink> {
  const sink = await bench.publish(layer, input)
  encoder.configure(sink)
  return sink
}

/** 25 frames a second, a key frame every two seconds. */
export const usual = { fps: 25, gop: 50, video, audio }
