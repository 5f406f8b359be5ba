import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cueNews } from '../../../src/channel/markers-rtmp.ts'
import { spliceNews } from '../../../src/channel/markers-scte35.ts'
import { FormatError } from '../../../src/lib/errors.ts'
import { plainSplice, writeSpliceInfo } from '../../../src/media/scte35/splice-info.ts'
import { MAX_MARKER_BYTES, type Marker, markerBytes, markerProblem } from '../../../src/presentation/markers.ts'
import { ChannelBench } from './channel-bench.ts'
import { deskOf, START_MS } from './marker-bench.ts'
import { live, run, SyntheticEncoder, usual } from './synthetic-encoder.ts'

/** The splice_insert (60.29 s, auto-return) and the placement opportunity's start and end of ANSI/SCTE 35 §14. */
const SPLICE_OUT = '/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo='
const OPPORTUNITY_START = '/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg=='
const OPPORTUNITY_END = '/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g='
const PROGRAM_CHANGE =
  '/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk26AQAACZcuND'
const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64'))

/** An encoder on the air whose clock began at 50 s; gives also where its clock's zero stands on the epoch. */
async function onAir(options: ConstructorParameters<typeof ChannelBench>[0] = {}) {
  const bench = new ChannelBench(options)
  const encoder = new SyntheticEncoder({ ...usual, startMs: 50_000 })
  const sink = await live(bench, encoder)
  await run(bench, [[encoder, sink]], 3_000)
  const [first] = bench.only('segment-opened')
  const zeroMs = (first?.startTicks ?? 0) / 90 - 50_000
  const cue = (name: string, dtsMs: number, value: unknown) => void sink.push({ type: 'cue', name, dtsMs, value })
  const play = (ms: number) => run(bench, [[encoder, sink]], ms)
  return { bench, sink, zeroMs, cue, play }
}

describe('what an encoder says', () => {
  it('is placed by its clock, as its pictures are, and announced once', async () => {
    const { bench, cue, zeroMs, play } = await onAir()
    const said = { cue: 'SpliceOut', id: 'b1', time: 60, duration: 20, type: 'SpliceOut' }
    cue('onAdCue', 52_500, said)
    cue('onAdCue', 53_000, { ...said, elapsed: 0.5 })
    expect(bench.only('marker')).toHaveLength(1)
    expect(bench.presentation.markers).toMatchObject([
      {
        id: 'b1',
        kind: 'ad-break',
        startTicks: (zeroMs + 60_000) * 90,
        wallMs: zeroMs + 60_000,
        plannedTicks: 1_800_000,
      },
    ])
    await play(29_000)
    // It ends by itself, at the time that was planned.
    expect(bench.presentation.markers).toMatchObject([{ id: 'b1', durationTicks: 1_800_000, revision: 1 }])
    await bench.channel.stop()
  })

  it('may come before its first frame, and keeps its place over the roll-over of 32 bits', async () => {
    const bench = new ChannelBench()
    const encoder = new SyntheticEncoder({ ...usual, startMs: 2 ** 32 - 2_000 })
    const sink = await bench.publish()
    encoder.configure(sink)
    void sink.push({
      type: 'cue',
      name: 'onTextData',
      dtsMs: 2 ** 32 - 2_000,
      value: { text: 'early', language: 'en' },
    })
    await run(bench, [[encoder, sink]], 5_000)
    void sink.push({ type: 'cue', name: 'onTextData', dtsMs: 2_900, value: { text: 'late' } })
    const [opened] = bench.only('segment-opened')
    const firstTicks = opened?.startTicks ?? 0
    expect(bench.presentation.markers).toMatchObject([
      { kind: 'text', startTicks: firstTicks, values: { message: 'onTextData', text: 'early', language: 'en' } },
      { kind: 'text', startTicks: firstTicks + 4_900 * 90, values: { text: 'late' } },
    ])
    await bench.channel.stop()
  })

  it('in SCTE-35 begins and ends a break with the very messages', async () => {
    const { bench, cue, zeroMs } = await onAir()
    cue('onAdCue', 52_500, { cue: OPPORTUNITY_START, type: 'scte35', id: 'x', time: 53, duration: 0 })
    cue('onAdCue', 55_000, { cue: OPPORTUNITY_END, type: 'scte35', id: 'y', time: 55 })
    expect(bench.presentation.markers).toMatchObject([
      {
        id: 'segmentation-1207959694-t52',
        kind: 'ad-break',
        startTicks: (zeroMs + 53_000) * 90,
        plannedTicks: 27_630_000,
        durationTicks: 180_000,
        scte35: bytes(OPPORTUNITY_START),
        scte35In: bytes(OPPORTUNITY_END),
        values: { 'segmentation-type': '0x34', upid: '0x000000002ca0a18a' },
      },
    ])
    await bench.channel.stop()
  })

  it('by the input that stands by counts from when the one on the air fell silent', async () => {
    const bench = new ChannelBench()
    const [one, two] = [usual, { ...usual, startMs: 900_000 }].map((options) => new SyntheticEncoder(options))
    const primary = await live(bench, one as SyntheticEncoder)
    const secondary = await live(bench, two as SyntheticEncoder, 'default', 'secondary')
    const both = [
      [one, primary],
      [two, secondary],
    ] as [SyntheticEncoder, typeof primary][]
    await run(bench, both, 6_000)
    const say = (dtsMs: number, text: string) =>
      void secondary.push({ type: 'cue', name: 'onTextData', dtsMs, value: { text } })
    say(906_000, 'said by both')
    await run(bench, both, 1_000)
    await run(bench, both.slice(1), 500)
    say(907_500, 'said by one')
    const saidMs = bench.clock.now()
    expect(bench.presentation.markers).toEqual([])
    await run(bench, both.slice(1), 6_000)
    expect(bench.switches).toHaveLength(1)
    expect(bench.presentation.markers).toMatchObject([{ values: { text: 'said by one' } }])
    expect(Math.abs((bench.presentation.markers[0]?.wallMs ?? 0) - saidMs)).toBeLessThan(2_500)
    await bench.channel.stop()
  })

  it('is not taken of advertisements where markers are the API’s, nor by the API where they are the encoder’s', async () => {
    const { bench, cue } = await onAir({ channel: { adMarkerSource: 'api' } })
    cue('onAdCue', 52_500, { cue: 'SpliceOut', id: 'b1', duration: 20 })
    cue('onCuePoint', 52_500, { name: 'chapter', time: 52.5, type: 'event', parameters: { title: 'One', n: 2 } })
    expect(bench.presentation.markers).toMatchObject([
      { kind: 'cue', values: { name: 'chapter', type: 'event', 'parameters.title': 'One', 'parameters.n': '2' } },
    ])
    await bench.channel.stop()
  })

  it('does no harm where it is broken, or too much', async () => {
    const { bench, cue, play } = await onAir()
    cue('onAdCue', 52_500, { cue: 'AAAA', type: 'scte35' })
    cue('onAdCue', 52_500, null)
    for (let at = 0; at < 40; at++) cue('onTextData', 52_500 + at, { text: `t${at}`, id: `t${at}` })
    expect(bench.presentation.markers.length).toBeLessThanOrEqual(10)
    await play(1_100)
    cue('onTextData', 54_000, { text: 'x'.repeat(10_000), more: { deep: { deeper: { deepest: { no: 1 } } } } })
    expect(bench.presentation.markers.at(-1)?.values).toEqual({ message: 'onTextData' })
    expect(bench.refused).toBeUndefined()
    await bench.channel.stop()
  })

  it('whatever it is, makes markers that a log takes', () => {
    const value = fc.anything({ maxDepth: 3, withTypedArray: true })
    const name = fc.constantFrom('onAdCue', 'onCuePoint', 'onTextData', 'onCaptionInfo', 'onUserDataEvent', 'onFI')
    const field = fc.record(
      {
        cue: value,
        id: value,
        time: value,
        duration: value,
        type: fc.oneof(value, fc.constant('scte35')),
        name: value,
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(name, fc.oneof(value, field), fc.nat(), (cueName, said, sentMs) => {
        const markers: Marker[] = []
        const desk = deskOf(markers)
        try {
          const news = cueNews({ name: cueName, value: said, sentMs, epochMs: START_MS })
          for (const each of news) desk.tell(each, 'encoder')
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
        for (const marker of markers) {
          expect(markerProblem(marker)).toBeUndefined()
          expect(markerBytes(marker)).toBeLessThanOrEqual(MAX_MARKER_BYTES)
        }
      }),
    )
  })
})

describe('SCTE-35', () => {
  const at = { startTicks: 900_000 }

  it('splice_insert', () => {
    expect(spliceNews(bytes(SPLICE_OUT), at)).toEqual([
      {
        type: 'begin',
        id: 'splice-1207959695',
        kind: 'ad-break',
        startTicks: 900_000,
        plannedTicks: 5_426_421,
        autoReturn: true,
        scte35: bytes(SPLICE_OUT),
      },
    ])
    const cancel = writeSpliceInfo({
      ...plainSplice,
      command: { type: 'splice-insert', eventId: 7, isCancelled: true },
      descriptors: [],
    })
    expect(spliceNews(cancel, at)).toEqual([{ type: 'cancel', id: 'splice-7' }])
  })

  it('program boundaries, and what is not about anything', () => {
    expect(spliceNews(bytes(PROGRAM_CHANGE), at)).toMatchObject([
      { id: 'segmentation-1207959576-t17', kind: 'program-boundary', values: { 'segmentation-type': '0x11' } },
      { id: 'segmentation-1207959577-t16', kind: 'program-boundary', values: { upid: '0x000000002ca4dba0' } },
    ])
    expect(
      spliceNews(writeSpliceInfo({ ...plainSplice, command: { type: 'splice-null' }, descriptors: [] }), at),
    ).toEqual([])
    const bare = writeSpliceInfo({ ...plainSplice, command: { type: 'time-signal', ptsTime: 1 }, descriptors: [] })
    expect(spliceNews(bare, at)).toMatchObject([{ kind: 'splice', id: 'time-signal-900000' }])
  })
})
