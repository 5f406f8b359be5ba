import { describe, expect, it } from 'vitest'
import type { Transcoder, TranscoderOutput } from '../../../src/channel/ports.ts'
import type { RenditionSpec } from '../../../src/channel/rendition-track.ts'
import type { CodecConfig, Sample } from '../../../src/media/media.ts'
import { audio, ChannelBench, video } from './channel-bench.ts'
import { expectAligned, expectOrder } from './channel-invariants.ts'
import { air, longestHole, Studio } from './redundancy-bench.ts'
import { SyntheticEncoder } from './synthetic-encoder.ts'

const rates = { bandwidth: 1_000_000, averageBandwidth: 800_000, nominalBitrate: 800_000 }
const LADDER: readonly RenditionSpec[] = [
  { name: 'video-1', config: video, ...rates },
  { name: 'video-2', config: video, ...rates, nominalBitrate: 400_000 },
  { name: 'audio-1', config: audio, bandwidth: 128_000, averageBandwidth: 128_000, nominalBitrate: 128_000 },
]

/** A ladder that copies: pictures come out `lookAhead` frames later, on every rung, sound at once. */
class FakeTranscoder implements Transcoder {
  readonly inputs: { ended: boolean; samples: number }[] = []
  rungs = LADDER
  stops = 0
  readonly #output: TranscoderOutput
  readonly #lookAhead: number
  #isRunning = false
  #held: Sample[] = []
  #drainGate: Promise<void> | undefined
  /** What came in while the child before was drained: the next one begins with it. */
  #waiting: (readonly ['video' | 'audio', Sample])[] | undefined

  constructor(output: TranscoderOutput, lookAhead = 20) {
    this.#output = output
    this.#lookAhead = lookAhead
  }

  configure(_config: CodecConfig): void {}

  write(kind: 'video' | 'audio', sample: Sample): undefined {
    const input = this.inputs.at(-1)
    if (!input || input.ended) this.inputs.push({ ended: false, samples: 1 })
    else input.samples++
    if (this.#waiting) this.#waiting.push([kind, sample])
    else this.#encode(kind, sample)
  }

  #encode(kind: 'video' | 'audio', sample: Sample): void {
    if (!this.#isRunning) {
      if (kind !== 'video' || !sample.independent) return
      this.#isRunning = true
      this.#output.renditions(this.rungs)
    }
    if (kind === 'audio') {
      this.#output.sample('audio-1', sample, 1_024)
      return
    }
    this.#held.push(sample)
    while (this.#held.length > this.#lookAhead) this.#give()
  }

  #give(): void {
    const sample = this.#held.shift()
    if (!sample) return
    for (const { name, config } of this.rungs) {
      if (config.kind !== 'video') continue
      this.#output.sample(name, { ...sample, data: Uint8Array.from(sample.data) }, 3_600)
    }
  }

  /** The child dies: what it held is lost; the next one begins with a key frame. */
  crash(rungs = this.rungs): void {
    this.rungs = rungs
    this.#held = []
    this.#isRunning = false
    const announce = this.#output.renditions.bind(this.#output)
    const output = this.#output
    this.#output.renditions = (list) => {
      output.renditions = announce
      output.restarted()
      announce(list)
    }
  }

  /** Draining waits until the result is called. */
  holdDrain(): () => void {
    let release = () => {}
    this.#drainGate = new Promise((resolve) => {
      release = resolve
    })
    return release
  }

  async inputEnded(): Promise<void> {
    const input = this.inputs.at(-1)
    if (input) input.ended = true
    this.#waiting = []
    await this.#drainGate
    while (this.#held.length > 0) this.#give()
    this.#isRunning = false
    void this.#next()
  }

  /** As a child takes time to start: what was drained is delivered before anything of the next. */
  async #next(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const [kind, sample] of waiting) this.#encode(kind, sample)
  }

  async stop(): Promise<void> {
    this.stops++
  }
}

function open(lookAhead?: number) {
  const made: { transcoder?: FakeTranscoder } = {}
  const bench = new ChannelBench({
    transcoder: (output) => {
      made.transcoder = new FakeTranscoder(output, lookAhead)
      return made.transcoder
    },
  })
  return { bench, transcoder: made.transcoder as FakeTranscoder }
}

type Sink = Awaited<ReturnType<ChannelBench['publish']>>

async function run(bench: ChannelBench, encoder: SyntheticEncoder, sink: Sink | undefined, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    await bench.clock.advance(100)
    if (sink) encoder.play(sink, 100)
  }
}

async function live(bench: ChannelBench, encoder: SyntheticEncoder): Promise<Sink> {
  const sink = await bench.publish()
  encoder.configure(sink)
  return sink
}

const usual = { fps: 25, gop: 50, video, audio }
/** Every rung has each picture, so ids repeat once per rung. */
const pictures = (bench: ChannelBench, name: string) => bench.writtenOf(name).map(({ id }) => id)

describe('Channel with a ladder and two inputs', () => {
  it('gives the transcoder one stream without a seam where both carry the same frames', async () => {
    const { bench, transcoder } = open()
    const studio = new Studio(bench, { fps: 25, gop: 50, video, audio })
    const primary = await studio.open('primary')
    await studio.open('secondary', { shiftMs: 4_321 })
    await air(bench, [studio], 9_300)
    primary.end()
    await air(bench, [studio], 6_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ isSeamless: true }])
    expect(transcoder.inputs).toHaveLength(1)
    expect(transcoder.inputs[0]?.samples).toBe(studio.encoder.sent.length)
    expect(bench.discontinuities).toEqual([])
    expectOrder(bench)
  })

  it('ends the transcoder’s input and goes on with a new one, at once, where they differ', async () => {
    const { bench, transcoder } = open()
    const one = new Studio(bench, { fps: 25, gop: 50, video, audio })
    const two = new Studio(bench, { fps: 25, gop: 50, video, audio, firstId: 1_000_000 })
    const primary = await one.open('primary')
    await two.open('secondary')
    await air(bench, [one, two], 9_300)
    primary.end()
    await air(bench, [one, two], 6_000)
    await bench.channel.stop()
    expect(bench.switches).toMatchObject([{ isSeamless: false }])
    expect(transcoder.inputs).toMatchObject([{ ended: true }, {}])
    expect(bench.discontinuities).toEqual(['input-switched'])
    expect(longestHole(bench)).toBeLessThan(0.3)
    expectOrder(bench)
  })
})

describe('Channel with a ladder', () => {
  it('gives every picture on every rung, cut alike on the epoch grid, sound not waiting to lead', async () => {
    const { bench, transcoder } = open(40)
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, encoder, sink, 9_000)
    await bench.channel.stop()
    const sent = encoder.sent.filter(({ kind }) => kind === 'video').map(({ id }) => id)
    expect(pictures(bench, 'video-1')).toEqual(sent)
    expect(pictures(bench, 'video-2')).toEqual(sent)
    expect(bench.discontinuities).toEqual([])
    expect(transcoder.stops).toBe(1)
    expectOrder(bench)
    expectAligned(bench)
    for (const { startTicks } of bench.only('segment-opened')) expect(startTicks % 180_000).toBeLessThan(90_000)
  })

  it('refuses layers', async () => {
    const { bench } = open()
    await expect(bench.publish('other')).rejects.toThrow('its own ladder')
  })

  it('goes on behind one discontinuity when the child is replaced, the hole listed as gaps', async () => {
    const { bench, transcoder } = open()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, encoder, sink, 5_000)
    transcoder.crash()
    await run(bench, encoder, sink, 7_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['transcoder-restart'])
    expect(bench.only('track-added')).toHaveLength(3)
    expect(bench.only('gap').length).toBeGreaterThanOrEqual(1)
    expectOrder(bench)
    expectAligned(bench)
  })

  it('goes on without a rung that was dropped, and takes it in again', async () => {
    const { bench, transcoder } = open()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, encoder, sink, 5_000)
    transcoder.crash(LADDER.slice(1))
    await run(bench, encoder, sink, 7_000)
    const withoutTop = bench.presentation.endSequence
    expect(withoutTop).toBeGreaterThan(4)
    transcoder.crash(LADDER)
    await run(bench, encoder, sink, 7_000)
    await bench.channel.stop()
    expect(bench.discontinuities).toEqual(['transcoder-restart', 'transcoder-restart'])
    expect(bench.only('track-added')).toHaveLength(3)
    const top = bench.presentation.renditions.find(({ name }) => name === 'video-1')
    const newest = bench.presentation.endSequence - 1
    expect(bench.presentation.renditionSegment(top?.index ?? -1, newest)).toBeDefined()
    expect(bench.presentation.renditionSegment(top?.index ?? -1, withoutTop - 1)).toBeUndefined()
    expectOrder(bench)
  })

  it('lets a publisher back in only when the last one has drained, and loses nothing of either', async () => {
    const { bench, transcoder } = open()
    const first = new SyntheticEncoder(usual)
    const sink = await live(bench, first)
    await run(bench, first, sink, 4_000)
    const release = transcoder.holdDrain()
    sink.end('connection lost')
    let isBack = false
    const back = bench.publish().then((admitted) => {
      isBack = true
      return admitted
    })
    await bench.clock.advance(1_000)
    expect(isBack).toBe(false)
    release()
    const second = new SyntheticEncoder({ ...usual, firstId: first.nextId })
    const again = await back
    second.configure(again)
    await run(bench, second, again, 4_000)
    await bench.channel.stop()
    const sent = [...first.sent, ...second.sent].filter(({ kind }) => kind === 'video').map(({ id }) => id)
    expect(pictures(bench, 'video-1')).toEqual(sent)
    expect(bench.discontinuities).toEqual(['input-returned'])
    expectOrder(bench)
  })

  it('gives what comes with a jump of the clock to the next child, not to the one that drains', async () => {
    const { bench, transcoder } = open()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, encoder, sink, 4_000)
    encoder.jump(3_600_000)
    await run(bench, encoder, sink, 4_000)
    await bench.channel.stop()
    expect(transcoder.inputs).toHaveLength(2)
    expect(transcoder.inputs[0]?.samples).toBe(encoder.sent.filter(({ course }) => course === 0).length)
    expect(bench.discontinuities).toEqual(['clock-jump'])
    const sent = encoder.sent.filter(({ kind }) => kind === 'video').map(({ id }) => id)
    expect(pictures(bench, 'video-1')).toEqual(sent)
    expectOrder(bench)
  })

  it('waits for a drain that is under way when it stops', async () => {
    const { bench, transcoder } = open()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, encoder, sink, 3_000)
    const release = transcoder.holdDrain()
    sink.end('connection lost')
    const stopping = bench.channel.stop()
    const late = bench.publish()
    release()
    await stopping
    await expect(late).rejects.toThrow('not running')
    expect(pictures(bench, 'video-1')).toHaveLength(75)
    expect(bench.only('segment-closed').length).toBe(bench.only('segment-opened').length)
  })

  it('puts gaps down while the input is silent, ends the child once, and goes on with it', async () => {
    const { bench, transcoder } = open()
    const encoder = new SyntheticEncoder(usual)
    const sink = await live(bench, encoder)
    await run(bench, encoder, sink, 5_000)
    encoder.pause(10_000)
    await run(bench, encoder, undefined, 10_000)
    await run(bench, encoder, sink, 5_000)
    await bench.channel.stop()
    expect(transcoder.inputs).toHaveLength(2)
    expect(bench.discontinuities).toEqual(['input-returned'])
    expect(bench.only('gap').length).toBeGreaterThanOrEqual(4)
    const sent = encoder.sent.filter(({ kind }) => kind === 'video').map(({ id }) => id)
    expect(pictures(bench, 'video-1')).toEqual(sent)
    expectOrder(bench)
  })
})
