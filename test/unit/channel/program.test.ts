import { describe, expect, it } from 'vitest'
import { Program, type ProgramNumbers } from '../../../src/channel/program.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, Track } from '../../../src/presentation/records.ts'
import { audio, ChannelBench, video } from './channel-bench.ts'
import { SyntheticEncoder } from './synthetic-encoder.ts'

/** A program that records into a presentation of its own, which refuses what is out of order. */
class Recorder {
  readonly records: LogRecord[] = []
  readonly presentation = new Presentation({ id: 'p', epoch: 'e', targetDurationMs: 2_000 })
  ends = 0
  readonly program: Program

  constructor(numbers: ProgramNumbers = 'channel') {
    this.presentation.apply({ type: 'opened', header: this.presentation.header })
    const append = (record: LogRecord) => {
      this.presentation.apply(record)
      this.records.push(record)
    }
    this.program = new Program({ append }, numbers, () => void this.ends++)
  }

  get types(): string[] {
    return this.records.map(({ type }) => type)
  }
}

/** A channel that is being published to; `take` is given its records as a host would. */
async function publishing() {
  const bench = new ChannelBench({ channel: { partDurationMs: undefined } })
  const encoder = new SyntheticEncoder({ fps: 25, gop: 50, video, audio })
  const sink = await bench.publish()
  encoder.configure(sink)
  const recorders: Recorder[] = []
  let seen = 0
  const tracks: Track[] = []
  const pass = () => {
    for (; seen < bench.records.length; seen++) {
      const record = bench.records[seen] as LogRecord
      if (record.type === 'track-added') tracks.push(record.track)
      for (const { program } of recorders) program.take({ record }, tracks)
    }
  }
  const play = async (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      await bench.clock.advance(100)
      encoder.play(sink, 100)
      pass()
    }
  }
  const stop = async () => {
    await bench.channel.stop()
    pass()
  }
  const record = () => {
    const recorder = new Recorder()
    recorders.push(recorder)
    return recorder
  }
  return { bench, sink, play, stop, record, pass }
}

describe('Program', () => {
  it('takes the whole presentation, and leaves its log open when the server goes down', async () => {
    const { bench, play, stop, record } = await publishing()
    const { program, presentation, records } = record()
    await play(9_000)
    await stop()
    program.detach()
    expect(records).toEqual(bench.records)
    expect(presentation.ended).toBe(false)
    expect(program.state).toBe('stopped')
  })

  it('starts in the middle with the next segment, tracks first', async () => {
    const { play, stop, record, bench } = await publishing()
    await play(5_000)
    const { types, presentation } = record()
    const recorder = record()
    await play(6_000)
    await stop()
    expect(types).toEqual([])
    expect(recorder.types.slice(0, 3)).toEqual(['track-added', 'track-added', 'segment-opened'])
    expect(presentation.firstSequence).toBeGreaterThan(0)
    expect(recorder.presentation.endSequence).toBe(bench.presentation.endSequence)
  })

  it('ends with the segment that is open, once', async () => {
    const { play, stop, record } = await publishing()
    const recorder = record()
    await play(5_000)
    recorder.program.stop()
    recorder.program.stop()
    expect([recorder.program.state, recorder.ends]).toEqual(['stopping', 0])
    await play(20_000)
    await stop()
    expect(recorder.types.slice(-2)).toEqual(['segment-closed', 'ended'])
    expect(recorder.types.filter((type) => type === 'segment-closed').length).toBeLessThanOrEqual(3)
    expect(recorder.presentation.ended).toBe(true)
    expect([recorder.program.state, recorder.ends]).toEqual(['stopped', 1])
  })

  it('goes on with numbers of its own behind what its log has, and says that it went on', async () => {
    const { play, stop, bench } = await publishing()
    await play(9_000)
    await stop()
    const { records, presentation, program } = new Recorder({ nextSequence: 7, discontinuitySequence: 3 })
    const row = { discontinuitySequence: 3, durationTicks: 180_000, wallMs: 0 }
    presentation.apply({ type: 'gap', sequence: 6, startTicks: 0, ...row })
    const tracks = bench.records.flatMap((record) => (record.type === 'track-added' ? [record.track] : []))
    const from = bench.records.findIndex((record) => record.type === 'segment-opened' && record.sequence === 2)
    for (const record of bench.records.slice(from)) program.take({ record }, tracks)
    expect(records.slice(0, 4)).toMatchObject([
      { type: 'track-added' },
      { type: 'track-added' },
      { type: 'discontinuity', discontinuitySequence: 4, reason: 'resumed' },
      { type: 'segment-opened', sequence: 7, discontinuitySequence: 4 },
    ])
    expect(presentation.endSequence).toBe(bench.presentation.endSequence + 5)
    expect(presentation.segment(8)?.startTicks).toBe(bench.presentation.segment(3)?.startTicks)
    expect(presentation.renditionSegment(0, 8)).toEqual({ ...bench.presentation.renditionSegment(0, 3), sequence: 8 })
    program.stop()
    expect(presentation.ended).toBe(true)
  })

  it('begins with number 0 where nothing went before, and takes the discontinuities of its channel as they come', () => {
    const { program, records, presentation } = new Recorder({ nextSequence: 0, discontinuitySequence: undefined })
    const row = { durationTicks: 180_000, wallMs: 0 }
    program.take({ record: { type: 'discontinuity', discontinuitySequence: 5, reason: 'restart' } }, [])
    program.take({ record: { type: 'gap', sequence: 40, discontinuitySequence: 5, startTicks: 0, ...row } }, [])
    program.take({ record: { type: 'discontinuity', discontinuitySequence: 6, reason: 'input-returned' } }, [])
    program.take({ record: { type: 'gap', sequence: 41, discontinuitySequence: 6, startTicks: 180_000, ...row } }, [])
    expect(records).toMatchObject([
      { type: 'gap', sequence: 0, discontinuitySequence: 0 },
      { type: 'discontinuity', discontinuitySequence: 1, reason: 'input-returned' },
      { type: 'gap', sequence: 1, discontinuitySequence: 1 },
    ])
    expect(presentation.endSequence).toBe(2)
  })

  it('ends at once where no segment is open, and starts with a gap where the input is away', async () => {
    const { play, record, sink, bench, pass } = await publishing()
    await play(5_000)
    sink.end('connection lost')
    pass()
    const away = record()
    await bench.clock.advance(9_000)
    pass()
    expect(away.types.slice(0, 3)).toEqual(['track-added', 'track-added', 'gap'])
    away.program.stop()
    away.program.stop()
    expect(away.types.at(-1)).toBe('ended')
    expect(away.ends).toBe(1)
    const taken = away.records.length
    await bench.clock.advance(9_000)
    pass()
    expect(away.records).toHaveLength(taken)
    await bench.channel.stop()
  })
})
