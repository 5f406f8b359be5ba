import { describe, expect, it } from 'vitest'
import { Program, type ProgramSchedule } from '../../../src/channel/program.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, Track } from '../../../src/presentation/records.ts'
import { audio, ChannelBench, video } from './channel-bench.ts'
import { SyntheticEncoder } from './synthetic-encoder.ts'

const DAY_MS = 86_400_000

/** A program that records into a presentation of its own, which refuses what is out of order. */
class Recorder {
  readonly records: LogRecord[] = []
  readonly presentation = new Presentation({ id: 'p', epoch: 'e', targetDurationMs: 2_000 })
  ends = 0
  readonly program: Program

  constructor(clock: VirtualClock, schedule: ProgramSchedule = {}) {
    this.presentation.apply({ type: 'opened', header: this.presentation.header })
    const append = (record: LogRecord) => {
      this.presentation.apply(record)
      this.records.push(record)
    }
    this.program = new Program({ append }, clock, schedule, () => void this.ends++)
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
  const record = (schedule?: ProgramSchedule) => {
    const recorder = new Recorder(bench.clock, schedule)
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

  it('starts and ends by its schedule, on segment boundaries', async () => {
    const { bench, play, stop, record } = await publishing()
    const nowMs = bench.clock.now()
    const recorder = record({ startAtMs: nowMs + 4_500, stopAtMs: nowMs + 11_000 })
    expect(recorder.program.state).toBe('waiting')
    await play(20_000)
    await stop()
    const rows = recorder.records.filter(({ type }) => type === 'segment-opened')
    expect(rows.length).toBeGreaterThanOrEqual(3)
    expect(rows.length).toBeLessThanOrEqual(4)
    expect(recorder.types.slice(-2)).toEqual(['segment-closed', 'ended'])
    expect(recorder.presentation.ended).toBe(true)
    expect(recorder.ends).toBe(1)
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

  it('is over before it began where its end has passed', () => {
    const clock = new VirtualClock()
    const recorder = new Recorder(clock, { stopAtMs: clock.now() - 1 })
    expect(recorder.program.state).toBe('stopped')
    expect(recorder.types).toEqual(['ended'])
    expect(recorder.ends).toBe(1)
  })

  it('waits for a start that is further off than a timer of the runtime holds', async () => {
    const clock = new VirtualClock()
    const startAtMs = clock.now() + 60 * DAY_MS
    const recorder = new Recorder(clock, { startAtMs, stopAtMs: startAtMs + 1_000 })
    await clock.advance(60 * DAY_MS - 1)
    expect(recorder.program.state).toBe('waiting')
    await clock.advance(1)
    expect(recorder.program.state).toBe('running')
    await clock.advance(1_000)
    expect(recorder.program.state).toBe('stopped')
  })

  it('notices within a minute that the wall clock was set past its start', async () => {
    const clock = new VirtualClock()
    const wall = { offsetMs: 0 }
    const seen = {
      now: () => clock.now() + wall.offsetMs,
      monotonicMs: () => clock.monotonicMs(),
      after: clock.after.bind(clock),
      every: clock.every.bind(clock),
      sleep: clock.sleep.bind(clock),
    }
    const program = new Program({ append: () => undefined }, seen, { startAtMs: clock.now() + DAY_MS }, () => undefined)
    wall.offsetMs = DAY_MS
    await clock.advance(60_000)
    expect(program.state).toBe('running')
    program.detach()
  })
})
