import { describe, expect, test } from 'vitest'
import { read, simple, stateOf } from './presentation-state.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from './sample-log.ts'

describe('records()', () => {
  const logs: Readonly<Record<string, SampleLog>> = {
    'nothing yet': new SampleLog(),
    'tracks only': simple(),
    'a log that starts late': new SampleLog(sampleHeader, 40).add(videoTrack(1, 'video-1')).segment().segment(),
    'segments with parts': simple().segment(180_000, { parts: 4 }).segments(9),
    'gaps and missing media': simple()
      .segment()
      .gap()
      .segment(180_000, { without: ['audio-1'] })
      .gap(),
    'evicted within a stretch': simple().segments(5).discontinuity().segments(5).evict(7),
    'evicted at the start of a stretch': simple().segments(5).discontinuity().segments(5).evict(5),
    'everything evicted': simple().segments(5).discontinuity().segments(5).evict(10),
    'everything evicted, a discontinuity pending': simple().segments(3).evict(3).discontinuity(),
    'everything evicted, and on': simple()
      .segments(3)
      .discontinuity()
      .segment()
      .evict(4)
      .segment()
      .discontinuity()
      .segment(),
    'two discontinuities in a row': simple().segment().discontinuity().discontinuity().segment(),
    'a codec change': simple().segment().discontinuity().add(videoTrack(3, 'video-1')).segment(),
    'a late rendition': simple().segments(600).discontinuity().add(audioTrack(3, 'audio-2')).segment(),
    ended: simple().segments(3).end(),
  }

  test.each(Object.entries(logs))('bring a replica to the same view: %s', (_, log) => {
    const original = read(log.records)
    const replica = read(original.records())
    expect(stateOf(replica)).toEqual(stateOf(original))
    expect([...replica.records()]).toEqual([...original.records()])
  })

  test('a replica made in the middle follows the log to the same view, from every position', () => {
    const { records } = simple()
      .segment(180_000, { parts: 3 })
      .gap()
      .discontinuity()
      .add(videoTrack(3, 'video-1'))
      .segment(180_000, { parts: 2 })
      .evict(1)
      .segment()
      .evict(2)
      .end()
    const original = stateOf(read(records))
    for (let position = 0; position <= records.length; position++) {
      const replica = read([...read(records.slice(0, position)).records()])
      for (const record of records.slice(Math.max(position, 1))) replica.apply(record)
      expect(stateOf(replica)).toEqual(original)
    }
  })

  test('old segments are one fragment per rendition', () => {
    const log = simple()
    for (let made = 0; made < 20; made++) log.segment(180_000, { parts: 10 })
    const fragments = [...read(log.records).records()].filter(({ type }) => type === 'fragment')
    expect(fragments).toHaveLength(12 * 2 + 8 * 20)
  })
})
