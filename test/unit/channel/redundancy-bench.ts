import { expect } from 'vitest'
import type { ContributionSink, InputName } from '../../../src/channel/ports.ts'
import type { Contribution } from '../../../src/media/media.ts'
import type { ChannelBench } from './channel-bench.ts'
import { expectOrder } from './channel-invariants.ts'
import { type EncoderOptions, type SentFrame, SyntheticEncoder } from './synthetic-encoder.ts'

export type WayOptions = {
  /** The input's timestamps are the encoder's plus so much. */
  readonly shiftMs?: number
  /** The network takes so long. */
  readonly delayMs?: number
}

type InFlight = { readonly dueMs: number; readonly contribution: Contribution }

/** One of an encoder's connections: its own timestamps and its own network. */
export class Way {
  readonly input: InputName
  readonly #layer: string
  readonly #bench: ChannelBench
  readonly #options: WayOptions
  readonly #queue: InFlight[] = []
  #sink: ContributionSink | undefined
  #isCut = false

  constructor(bench: ChannelBench, input: InputName, options: WayOptions, layer: string) {
    this.#layer = layer
    this.#bench = bench
    this.input = input
    this.#options = options
  }

  async connect(): Promise<void> {
    this.#sink = await this.#bench.publish(this.#layer, this.input)
    this.#isCut = false
  }

  /** The socket is closed. */
  end(reason = 'disconnected'): void {
    this.#sink?.end(reason)
    this.#sink = undefined
    this.#queue.length = 0
  }

  /** The cable is pulled: the socket stays, nothing comes. What is under way arrives when it is put back, unless it was lost. */
  cut(): void {
    this.#isCut = true
  }

  mend(isLost = false): void {
    this.#isCut = false
    if (isLost) this.#queue.length = 0
  }

  send(contribution: Contribution): void {
    if (!this.#sink) return
    const { delayMs = 0, shiftMs = 0 } = this.#options
    this.#queue.push({ dueMs: this.#bench.clock.monotonicMs() + delayMs, contribution: shifted(contribution, shiftMs) })
  }

  deliver(): void {
    const nowMs = this.#bench.clock.monotonicMs()
    while (!this.#isCut && this.#sink && this.#queue[0] && this.#queue[0].dueMs <= nowMs) {
      const next = this.#queue.shift()
      if (next) void this.#sink.push(next.contribution)
    }
  }
}

/** Each connection has memory of its own: the channel may use it again. */
function shifted(contribution: Contribution, shiftMs: number): Contribution {
  if (contribution.type !== 'frame') return contribution
  const dtsMs = (contribution.dtsMs + shiftMs + 2 ** 32) % 2 ** 32
  return { ...contribution, dtsMs, data: Uint8Array.from(contribution.data) }
}

/** An encoder that pushes the same frames by one way or two. */
export class Studio {
  readonly encoder: SyntheticEncoder
  readonly ways: Way[] = []
  readonly #bench: ChannelBench
  readonly #layer: string
  readonly #options: EncoderOptions
  /** Frames as they are on the wire of each moment. */
  readonly #fan: ContributionSink = {
    push: (contribution) => {
      for (const way of this.ways) way.send(contribution)
      return undefined
    },
    end: () => undefined,
  }

  constructor(bench: ChannelBench, options: EncoderOptions, layer = 'default') {
    this.#layer = layer
    this.#bench = bench
    this.#options = options
    this.encoder = new SyntheticEncoder(options)
  }

  async open(input: InputName, options: WayOptions = {}): Promise<Way> {
    const way = new Way(this.#bench, input, options, this.#layer)
    await way.connect()
    this.ways.push(way)
    this.greet(way)
    return way
  }

  /** What an encoder says first on a connection. */
  greet(way: Way): void {
    this.encoder.configure(
      {
        push: (contribution) => void way.send(contribution) as undefined,
        end: () => undefined,
      },
      this.#options,
    )
  }

  play(ms: number): void {
    this.encoder.play(this.#fan, ms)
  }
}

/** Time goes by in steps of 20 ms for all; whoever is connected delivers. */
export async function air(bench: ChannelBench, studios: readonly Studio[], ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 20) {
    await bench.clock.advance(20)
    for (const studio of studios) {
      studio.play(20)
      for (const way of studio.ways) way.deliver()
    }
  }
}

/** Every frame from the first written one on is in the log once, in order, at a constant distance; there is no discontinuity and no gap. */
export function expectUnbroken(bench: ChannelBench, sent: readonly SentFrame[]): void {
  expectOrder(bench)
  expect(bench.discontinuities).toEqual([])
  expect(bench.only('gap')).toEqual([])
  for (const kind of ['video', 'audio'] as const) {
    const written = bench.writtenOf(`${kind}-1`)
    const frames = sent.filter((frame) => frame.kind === kind)
    const from = frames.findIndex(({ id }) => id === written[0]?.id)
    expect(written.map(({ id }) => id)).toEqual(frames.slice(from, from + written.length).map(({ id }) => id))
    const shift = (written[0]?.dts ?? 0) - (frames[from]?.dtsMs ?? 0) / 1_000
    for (const [index, { dts }] of written.entries()) {
      const off = dts - (frames[from + index]?.dtsMs ?? 0) / 1_000 - shift
      // Sound is counted in samples, which milliseconds are not.
      if (Math.abs(off) > (kind === 'video' ? 0.0011 : 0.0025)) throw new Error(`${kind} ${index} is off by ${off} s`)
    }
  }
  const sounds = bench.writtenOf('audio-1')
  for (const [index, { dts, duration }] of sounds.entries()) {
    const next = sounds[index + 1]
    if (next && Math.abs(next.dts - dts - duration) > 1 / 48_000) throw new Error(`sound breaks behind frame ${index}`)
  }
}

/** No frame twice, decode time rises, and so many discontinuities. */
export function expectBroken(bench: ChannelBench, reasons: readonly string[]): void {
  expectOrder(bench)
  expect(bench.discontinuities).toEqual(reasons)
  expect(new Set(bench.written.map(({ id }) => id)).size).toBe(bench.written.length)
}

/** The longest time between two pictures that follow each other, in seconds. */
export function longestHole(bench: ChannelBench): number {
  const times = bench
    .writtenOf('video-1')
    .map(({ pts }) => pts)
    .sort((a, b) => a - b)
  return Math.max(...times.slice(1).map((pts, index) => pts - (times[index] ?? pts)))
}
