import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ContributionSink } from '../../../src/channel/ports.ts'
import { audio, ChannelBench, otherVideo, video } from './channel-bench.ts'
import { expectAligned, expectExact, expectFullParts, expectOrder, expectWhole } from './channel-invariants.ts'
import { type EncoderOptions, SyntheticEncoder } from './synthetic-encoder.ts'

/** The same scenarios at every run; with thousands of runs and other seeds it held as well. */
const fixed = { seed: 20_261_121, endOnFailure: true }
const RUNS = 100
const STEP_MS = 100

type Event =
  | { readonly type: 'none' | 'same-config' | 'other-video' }
  | { readonly type: 'disconnect' | 'pause' | 'stall' | 'jump'; readonly ms: number }

type Step = { readonly playMs: number; readonly event: Event }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('none', 'same-config', 'other-video').map((type) => ({ type }) as Event) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('disconnect', 'pause', 'stall'),
      ms: fc.integer({ min: 1, max: 20_000 }),
    }) as fc.Arbitrary<Event>,
  },
  {
    weight: 1,
    arbitrary: fc
      .oneof(fc.integer({ min: 2_300, max: 10 ** 8 }), fc.integer({ min: -(10 ** 6), max: -2_300 }))
      .map((ms): Event => ({ type: 'jump', ms })),
  },
)

const step: fc.Arbitrary<Step> = fc.record({ playMs: fc.integer({ min: 0, max: 6_000 }), event })

const encoder = fc.record({
  fps: fc.constantFrom(15, 24, 25, 30, 50),
  gop: fc.integer({ min: 5, max: 120 }),
  bFrames: fc.integer({ min: 0, max: 3 }),
  audioLateMs: fc.constantFrom(0, 0, 700, 4_000),
  startMs: fc.constantFrom(0, 123_456, 2 ** 32 - 5_000),
  isVariable: fc.boolean(),
  hasAudio: fc.constantFrom(true, true, true, false),
  hasVideo: fc.constantFrom(true, true, true, false),
})

const channel = fc.record({
  segmentDurationMs: fc.constantFrom(1_000, 2_000, 6_000),
  partDurationMs: fc.constantFrom(undefined, 200, 500, 1_000),
  keyFrameIntervalMs: fc.constantFrom(1_000, 2_000),
})

function optionsOf(drawn: typeof encoder extends fc.Arbitrary<infer T> ? T : never): EncoderOptions {
  const { isVariable, hasAudio, hasVideo, ...rest } = drawn
  return {
    ...rest,
    video: hasVideo ? video : undefined,
    audio: hasAudio || !hasVideo ? audio : undefined,
    ...(isVariable ? { jitterMs: (frame: number) => ((frame * 7) % 5) * 9 } : {}),
  }
}

/** One encoder at the default layer, and what happens to it. */
class Scenario {
  readonly bench: ChannelBench
  readonly encoders: SyntheticEncoder[] = []
  events = 0
  readonly #options: EncoderOptions
  #config: { video?: typeof video | undefined; audio?: typeof audio | undefined }
  #sink: ContributionSink | undefined

  constructor(bench: ChannelBench, options: EncoderOptions) {
    this.bench = bench
    this.#options = options
    this.#config = options
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#connect()
    for (const { playMs, event } of steps) {
      await this.#play(playMs)
      await this.#happen(event)
    }
    await this.#play(1_500)
    await this.bench.channel.stop()
  }

  get #encoder(): SyntheticEncoder {
    return this.encoders.at(-1) as SyntheticEncoder
  }

  async #connect(): Promise<void> {
    this.#sink = await this.bench.publish()
    const firstId = this.encoders.at(-1)?.nextId ?? 0
    this.encoders.push(new SyntheticEncoder({ ...this.#options, firstId }))
    this.#encoder.configure(this.#sink, this.#config)
  }

  async #play(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      const slice = Math.min(left, STEP_MS)
      await this.bench.clock.advance(slice)
      if (this.#sink) this.#encoder.play(this.#sink, slice)
    }
  }

  async #happen(event: Event): Promise<void> {
    if (event.type !== 'none' && event.type !== 'same-config') this.events++
    switch (event.type) {
      case 'none':
        return
      case 'same-config':
        if (this.#sink) this.#encoder.configure(this.#sink, this.#config)
        return
      case 'other-video':
        if (!this.#config.video || !this.#sink) return
        this.#config = { ...this.#config, video: this.#config.video === video ? otherVideo : video }
        this.#encoder.forceKeyFrame()
        this.#encoder.configure(this.#sink, { video: this.#config.video })
        return
      case 'disconnect':
        this.#sink?.end('connection lost')
        this.#sink = undefined
        await this.#play(event.ms)
        return this.#connect()
      case 'pause':
        // Its clock goes on: what comes next is where it belongs.
        this.#encoder.pause(event.ms)
        await this.bench.clock.advance(event.ms)
        return
      case 'stall':
        // Its clock stands still with it: what comes next is late for good.
        await this.bench.clock.advance(event.ms)
        return
      case 'jump':
        this.#encoder.jump(event.ms)
    }
  }
}

describe('Channel, whatever happens to its encoder', () => {
  it('writes or counts every sample once, at its exact time, in the order of the log', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        encoder,
        channel,
        fc.array(step, { minLength: 1, maxLength: 8, size: 'max' }),
        async (drawn, channelOptions, steps) => {
          const options = optionsOf(drawn)
          const bench = new ChannelBench({ channel: channelOptions })
          const scenario = new Scenario(bench, options)
          await scenario.run(steps)
          expectOrder(bench)
          expectWhole(bench, ...scenario.encoders)
          const isSteady = !steps.some(({ event }) => event.type === 'stall')
          if (isSteady) for (const one of scenario.encoders) expectExact(bench, one)
          // One for each event, and one for sound that joins late.
          const allowed = scenario.events + (drawn.audioLateMs > 0 ? 1 : 0)
          expect(bench.discontinuities.length).toBeLessThanOrEqual(allowed)
          if (scenario.events === 0 && drawn.audioLateMs === 0) expect(bench.discontinuities).toEqual([])
        },
      ),
      { ...fixed, numRuns: RUNS },
    )
  })

  it('cuts undisturbed streams into segments and parts of the lengths that were promised', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(encoder, channel, async (drawn, channelOptions) => {
        const options = { ...optionsOf(drawn), audioLateMs: 0 }
        const bench = new ChannelBench({ channel: channelOptions })
        const scenario = new Scenario(bench, options)
        await scenario.run([{ playMs: 20_000, event: { type: 'none' } }])
        expectWhole(bench, ...scenario.encoders)
        expectOrder(bench)
        if (!bench.events.includes('cut-forced')) expectAligned(bench)
        expect(bench.dropped).toEqual(new Map())
        const target = bench.presentation.header.targetDurationMs / 1_000
        const gopSeconds = options.video ? options.gop * (1 / options.fps + (options.jitterMs ? 0.018 : 0)) : 0
        const closed = bench.only('segment-closed').map(({ durationTicks }) => durationTicks / 90_000)
        for (const seconds of closed) expect(Math.round(seconds - 0.02)).toBeLessThanOrEqual(target)
        if (gopSeconds < target - 0.1) expect(bench.events).not.toContain('cut-forced')
        const isFine = options.fps >= 24 && !options.jitterMs && (channelOptions.partDurationMs ?? 0) >= 500
        if (isFine) expectFullParts(bench)
      }),
      { ...fixed, numRuns: RUNS },
    )
  })
})

type LayerEvent = { readonly layer: number; readonly type: 'leave' | 'jump' | 'none'; readonly ms: number }

describe('Channel with several layers', () => {
  const layerEvent: fc.Arbitrary<LayerEvent> = fc.record({
    layer: fc.integer({ min: 0, max: 2 }),
    type: fc.constantFrom('leave', 'jump', 'none'),
    ms: fc.integer({ min: 500, max: 8_000 }),
  })

  it('keeps the others going, whichever goes and comes back', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(layerEvent, { maxLength: 6, size: 'max' }),
        fc.constantFrom(undefined, 500),
        async (events, part) => {
          const bench = new ChannelBench({ channel: { partDurationMs: part } })
          const layers = await Promise.all(
            [0, 1, 2].map(async (index) => {
              const one = new SyntheticEncoder({ fps: 25, gop: 25, bFrames: 1, video, audio, firstId: index * 100_000 })
              const sink: ContributionSink | undefined = await bench.publish(`layer-${index}`)
              one.configure(sink)
              return { name: `layer-${index}`, encoder: one, sink: sink as ContributionSink | undefined, backMs: 0 }
            }),
          )
          const play = async (ms: number) => {
            for (let left = ms; left > 0; left -= STEP_MS) {
              await bench.clock.advance(STEP_MS)
              for (const layer of layers) {
                layer.backMs -= STEP_MS
                if (!layer.sink && layer.backMs <= 0) {
                  layer.sink = await bench.publish(layer.name)
                  // Where a new session stands is measured anew.
                  layer.encoder.jump(0)
                  layer.encoder.configure(layer.sink)
                }
                // A layer that is away goes on encoding, and nobody hears it.
                layer.encoder.play(layer.sink ?? { push: () => undefined, end: () => undefined }, STEP_MS)
              }
            }
          }
          for (const { layer: index, type, ms } of events) {
            await play(ms)
            const layer = layers[index]
            if (!layer || type === 'none') continue
            if (type === 'jump') layer.encoder.jump(ms * 1_000)
            else {
              layer.sink?.end('connection lost')
              layer.sink = undefined
              layer.backMs = ms
            }
          }
          await play(14_000)
          await bench.channel.stop()
          expectOrder(bench)
          const ids = new Set(bench.written.map(({ id }) => id))
          expect(ids.size).toBe(bench.written.length)
          for (const { encoder: one } of layers) expectExact(bench, one)
          const jumps = events.filter(({ type }) => type === 'jump').length
          const leaves = events.filter(({ type }) => type === 'leave').length
          expect(bench.discontinuities.length).toBeLessThanOrEqual(jumps + leaves)
          // All are there in the end, whatever was; the very last segment may have ended before one that lags was in it.
          const newest = bench.presentation.endSequence - 2
          const sounding = bench.presentation.renditions.filter(({ kind }) => kind === 'audio')
          expect(sounding).toHaveLength(1)
          for (const { index } of bench.presentation.renditions) {
            expect(bench.presentation.renditionSegment(index, newest)).toBeDefined()
          }
          if (events.every(({ type }) => type === 'none')) {
            expectAligned(bench)
            expect(bench.writtenOf('video-3')).toHaveLength(
              layers[2]?.encoder.sent.filter(({ kind }) => kind === 'video').length ?? 0,
            )
          }
        },
      ),
      { ...fixed, numRuns: 30 },
    )
  })
})
