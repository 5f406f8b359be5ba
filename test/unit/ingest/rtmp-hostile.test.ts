import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  aggregateMessage,
  extendedTimestampMessage,
  fatalAttacks,
  halfHandshakes,
  oneByteAtATime,
  randomBytesAtEveryStage,
  seededBytes,
  survivableAttacks,
  wholePublish,
  wideChunkStreamMessage,
} from '../../support/rtmp-hostile.ts'
import { plainDemuxer, startIngest } from '../../support/rtmp-ingest.ts'
import { RtmpPublisher } from '../../support/rtmp-publisher.ts'
import { until } from '../../support/until.ts'

/** A good encoder that keeps publishing while all of this goes on, and must lose nothing. */
describe('hostile peers beside a good publisher', () => {
  let ingest: Awaited<ReturnType<typeof startIngest>>
  let good: RtmpPublisher
  let sent = 0
  let timer: NodeJS.Timeout

  beforeAll(async () => {
    ingest = await startIngest({ maxConnectionsPerAddress: 100 }, { createDemuxer: plainDemuxer })
    good = await RtmpPublisher.publish({ ...ingest.target, streamName: 'good' })
    timer = setInterval(() => {
      void good.send(9, sent, seededBytes(sent, 3000))
      sent += 1
    }, 10)
  })

  afterAll(async () => {
    clearInterval(timer)
    const sink = ingest.gate.sinks[0]!
    await until(() => sink.contributions.length === sent)
    expect(sink.of('frame').every((frame, i) => frame.dtsMs === i)).toBe(true)
    expect(Buffer.compare(sink.of('frame').at(-1)!.data, seededBytes(sent - 1, 3000))).toBe(0)
    expect(sink.ends).toEqual([])
    expect(ingest.log.filter((line) => line.level === 'error')).toEqual([])
    await good.close()
    await ingest.listener.stop()
  })

  it.each(Object.entries(fatalAttacks))('hangs up on %s', async (_name, attack) => {
    expect(await attack(ingest.target)).toEqual({ closedByServer: true })
  })

  it.each(Object.entries(survivableAttacks))('survives %s on the same session', async (_name, attack) => {
    expect(await attack(ingest.target)).toEqual({ closedByServer: false })
  })

  it.each([1, 2, 3, 4])('takes random bytes at every stage, seed %i', async (seed) => {
    await randomBytesAtEveryStage(ingest.target, seed)
  })

  it('admits only so many half handshakes', async () => {
    const before = ingest.observer.count('refused:connections-per-address')
    const closed = await halfHandshakes(ingest.target, 300, 5_000, 200)
    expect(closed).toBeGreaterThanOrEqual(200)
    expect(ingest.observer.count('refused:connections-per-address') - before).toBe(closed)
    await until(() => ingest.listener.connections === 1)
  })

  it('reads a publish that comes one byte at a time', async () => {
    const messages = [0, 40].map((timestampMs) => ({ type: 9, timestampMs, payload: seededBytes(7, 200) }))
    const before = ingest.gate.sinks.length
    await oneByteAtATime(ingest.target, wholePublish(ingest.target, messages))
    const sink = ingest.gate.sinks[before]!
    await until(() => sink.ends.length === 1)
    expect(sink.of('frame').map((frame) => [frame.dtsMs, frame.data.length])).toEqual([
      [0, 200],
      [40, 200],
    ])
  })

  it('reads both habits of extended timestamps, wide chunk stream ids and aggregates', async () => {
    const encoder = await RtmpPublisher.publish(ingest.target)
    const sink = ingest.gate.sinks.at(-1)!
    const payload = seededBytes(11, 500)
    const tags = [0, 20].map((offsetMs) => ({ type: 9, offsetMs, payload }))
    encoder.raw(extendedTimestampMessage(0x01000000, payload, true))
    encoder.raw(extendedTimestampMessage(0x01000010, payload, false))
    encoder.raw(wideChunkStreamMessage(320, 0x01000020, payload))
    encoder.raw(wideChunkStreamMessage(65_599, 0x01000030, payload))
    encoder.raw(aggregateMessage(0x01000040, 5_000_000, tags))
    await until(() => sink.contributions.length === 6)
    const times = [0, 0x10, 0x20, 0x30, 0x40, 0x40 + 20].map((offset) => 0x01000000 + offset)
    expect(sink.of('frame').map((frame) => frame.dtsMs)).toEqual(times)
    expect(sink.of('frame').every((frame) => Buffer.compare(frame.data, payload) === 0)).toBe(true)
    await encoder.close()
  })

  it('has named offences, each once per session', () => {
    const lines = ingest.log.filter((line) => line.msg === 'rtmp offence')
    const keys = lines.map((line) => `${line['session']} ${line['offence']}`)
    expect(new Set(keys).size).toBe(keys.length)
    const kinds = new Set(lines.map((line) => line['offence']))
    for (const kind of [
      'handshake',
      'control',
      'command',
      'message-size',
      'chunk-streams',
      'aggregate',
      'stray-media',
    ]) {
      expect(kinds, kind).toContain(kind)
    }
  })
})
