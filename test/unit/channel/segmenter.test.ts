import { describe, expect, it } from 'vitest'
import type { SegmenterNumbers } from '../../../src/channel/record-writer.ts'
import type { LogEntry } from '../../../src/channel/segment-assembly.ts'
import { Segmenter } from '../../../src/channel/segmenter.ts'
import type { AudioConfig, Sample, VideoConfig } from '../../../src/media/media.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, RecordOf } from '../../../src/presentation/records.ts'

const S = 90_000
const START = 1_763_702_400 * S

const video: VideoConfig = {
  kind: 'video',
  codec: 'avc',
  record: Uint8Array.from([1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68]),
  width: 320,
  height: 180,
  codecString: 'avc1.64001f',
}
const audio: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: Uint8Array.from([0x11, 0x90]),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1_024,
  codecString: 'mp4a.40.2',
}

function open(options: { partSeconds?: number; numbers?: SegmenterNumbers } = {}) {
  const records: LogRecord[] = []
  const dropped: string[] = []
  const done: Uint8Array[] = []
  const presentation = new Presentation({ id: 'p', epoch: 'e', targetDurationMs: 2_000 })
  presentation.apply({ type: 'opened', header: presentation.header })
  const segmenter = new Segmenter(
    {
      cut: { segmentTicks: 2 * S, targetTicks: 2 * S, keyFrameTicks: 2 * S, isOnEpochGrid: false },
      partSeconds: options.partSeconds,
      patienceSeconds: 3,
      allocate: (size) => new Uint8Array(size),
      done: (data) => void done.push(data),
      wallMs: () => 0,
      emit: ({ record }: LogEntry) => {
        records.push(record)
        presentation.apply(record)
      },
      observer: {
        cutForced: () => undefined,
        sampleDropped: (rendition, reason) => dropped.push(`${rendition} ${reason}`),
      },
    },
    options.numbers ?? { nextSequence: 0, discontinuitySequence: 0, nextTrackNumber: 1, endTicks: 0 },
  )
  return { segmenter, records, dropped, done, presentation }
}

function sample(dtsTicks: number, independent: boolean, sizeBytes = 100): Sample {
  return { dtsTicks, compositionTicks: 0, independent, data: new Uint8Array(sizeBytes) }
}

/** Interleaves video (25 fps) and audio (48 kHz AAC) as an encoder does. */
function feed(
  segmenter: Segmenter,
  from: number,
  to: number,
  options: { videos?: string[]; audio?: boolean; gopSeconds?: number } = {},
): void {
  const { videos = ['video-1'], gopSeconds = 1 } = options
  let audioTicks = Math.ceil((from * 48_000) / 1_024) * 1_024
  for (let frame = Math.round(from * 25); frame < Math.round(to * 25); frame++) {
    for (const name of videos) segmenter.push(name, sample(START + frame * 3_600, frame % (gopSeconds * 25) === 0))
    for (; options.audio !== false && audioTicks / 48_000 < (frame + 1) / 25; audioTicks += 1_024) {
      segmenter.push('audio-1', sample((START / S) * 48_000 + audioTicks, true, 20))
    }
  }
}

function only<T extends LogRecord['type']>(records: readonly LogRecord[], type: T): RecordOf<T>[] {
  return records.filter((record): record is RecordOf<T> => record.type === type)
}

describe('Segmenter', () => {
  it('cuts all renditions at the same instants, audio at the nearest frame, and leaves no sample out', () => {
    const { segmenter, records, dropped } = open()
    for (const name of ['video-1', 'video-2']) segmenter.configure({ name, config: video })
    segmenter.configure({ name: 'audio-1', config: audio })
    feed(segmenter, 0, 9, { videos: ['video-1', 'video-2'] })
    segmenter.flush()
    expect(dropped).toEqual([])
    expect(only(records, 'segment-opened').map(({ startTicks }) => (startTicks - START) / S)).toEqual([0, 2, 4, 6, 8])
    const tracks = only(records, 'track-added').map(({ track }) => track)
    for (const { track, rendition, timescale } of tracks) {
      const fragments = only(records, 'fragment').filter((fragment) => fragment.track === track)
      expect(fragments).toHaveLength(5)
      const total = fragments.reduce((sum, { durationTicks }) => sum + durationTicks, 0) / timescale
      expect(total).toBeCloseTo(9, rendition === 'audio-1' ? 1 : 6)
      for (const [index, { startTicks }] of fragments.entries()) {
        expect(Math.abs(startTicks / timescale - START / S - index * 2)).toBeLessThanOrEqual(1_024 / 48_000)
      }
    }
  })

  it('writes parts as the segment grows, none longer than its target', () => {
    const { segmenter, records } = open({ partSeconds: 0.5 })
    segmenter.configure({ name: 'video-1', config: video, bandwidth: 1_000_000 })
    feed(segmenter, 0, 3.5, { audio: false })
    const parts = only(records, 'fragment')
    expect(only(records, 'segment-closed')).toHaveLength(1)
    // 12 frames of 40 ms fit into 0.5 s: five parts in 2 s, three in the 1.5 s that follow.
    expect(parts.length).toBe(8)
    for (const part of parts) expect(part.durationTicks / S).toBeLessThanOrEqual(0.5)
  })

  it('declares bitrates once, from the first segment, and each track before its first fragment', () => {
    const { segmenter, records } = open({ partSeconds: 0.5 })
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0, 2.04, { audio: false })
    expect(records).toEqual([])
    feed(segmenter, 2.04, 2.2, { audio: false })
    expect(records.map(({ type }) => type).slice(0, 3)).toEqual(['track-added', 'segment-opened', 'fragment'])
    const [added] = only(records, 'track-added')
    const bytes = only(records, 'fragment')
      .filter(({ sequence }) => sequence === 0)
      .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    expect(added?.track.averageBandwidth).toBe(Math.ceil((bytes * 8) / 2))
    expect(added?.track.bandwidth).toBe(Math.ceil(Math.ceil((bytes * 8) / 2) * 1.25))
  })

  it('goes on with gaps on the grid while the input is away, and one discontinuity at its return', () => {
    const { segmenter, records, presentation } = open()
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0, 3, { audio: false })
    segmenter.remove('video-1')
    segmenter.flush()
    segmenter.fillGap(START + 11.3 * S)
    segmenter.configure({ name: 'video-1', config: video })
    segmenter.discontinuity('input-returned')
    feed(segmenter, 12, 15, { audio: false })
    segmenter.flush()
    const gaps = only(records, 'gap').map((gap) => [(gap.startTicks - START) / S, gap.durationTicks / S])
    expect(gaps).toEqual([
      [3, 1],
      [4, 2],
      [6, 2],
      [8, 2],
      [10, 2],
    ])
    expect(only(records, 'discontinuity')).toEqual([
      { type: 'discontinuity', discontinuitySequence: 1, reason: 'input-returned' },
    ])
    expect(only(records, 'track-added')).toHaveLength(1)
    expect(presentation.endSequence).toBe(9)
  })

  it('starts a new track and a discontinuity where the codec configuration changes', () => {
    const { segmenter, records } = open()
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0, 3, { audio: false })
    segmenter.discontinuity('codec-change')
    segmenter.configure({
      name: 'video-1',
      config: { ...video, record: Uint8Array.from([...video.record, 1]), width: 640 },
    })
    feed(segmenter, 3, 6, { audio: false })
    segmenter.flush()
    expect(only(records, 'track-added').map(({ track }) => [track.track, track.rendition])).toEqual([
      [1, 'video-1'],
      [2, 'video-1'],
    ])
    expect(only(records, 'discontinuity').map(({ reason }) => reason)).toEqual(['codec-change'])
  })

  it('closes segments without a rendition that stopped, and takes it in again at its next key frame', () => {
    const { segmenter, records, presentation } = open()
    for (const name of ['video-1', 'video-2']) segmenter.configure({ name, config: video })
    feed(segmenter, 0, 4, { videos: ['video-1', 'video-2'], audio: false })
    feed(segmenter, 4, 10, { videos: ['video-1'], audio: false })
    expect(only(records, 'segment-closed').length).toBeGreaterThanOrEqual(3)
    feed(segmenter, 10, 16, { videos: ['video-1', 'video-2'], audio: false })
    segmenter.flush()
    expect(presentation.endSequence).toBe(8)
    const second = presentation.renditions[1]
    const has = Array.from(
      { length: 8 },
      (_, sequence) => presentation.renditionSegment(second!.index, sequence) !== undefined,
    )
    expect(has).toEqual([true, true, false, false, false, true, true, true])
  })

  it('says of every sample once that it is done with it, written or dropped, and of none that still waits', () => {
    const { segmenter, dropped, done } = open({ partSeconds: 0.5 })
    const pushed: Uint8Array[] = []
    const push = (frame: number, independent: boolean) => {
      const next = sample(START + frame * 3_600, independent)
      pushed.push(next.data)
      segmenter.push('video-1', next)
    }
    segmenter.configure({ name: 'video-1', config: video, bandwidth: 1_000_000 })
    // Before the first key frame, and behind one that has come.
    for (const frame of [-2, -1, 0]) push(frame, frame === 0)
    push(-1, false)
    for (let frame = 1; frame < 110; frame++) push(frame, frame % 25 === 0)
    // 12 frames of 40 ms are a part; what is in none yet waits, and the newest picture for the one after it.
    const waiting = new Set(pushed.slice(-20))
    expect(done.length).toBeGreaterThan(pushed.length - 20)
    expect(done.filter((data) => !waiting.has(data))).toHaveLength(pushed.length - 20)
    segmenter.flush()
    expect(dropped.length).toBe(3)
    expect(done).toHaveLength(pushed.length)
    expect(new Set(done)).toEqual(new Set(pushed))
  })

  it('lets another rendition lead when the leading one falls silent', () => {
    const { segmenter, records } = open()
    segmenter.configure({ name: 'video-1', config: video })
    segmenter.configure({ name: 'audio-1', config: audio })
    feed(segmenter, 0, 4)
    feed(segmenter, 4, 14, { videos: [] })
    const closed = only(records, 'segment-closed').length
    expect(closed).toBeGreaterThanOrEqual(5)
    feed(segmenter, 14, 20)
    segmenter.flush()
    const opened = only(records, 'segment-opened').map(({ startTicks }) => (startTicks - START) / S)
    expect(opened).toContain(14)
    expect(new Set(opened).size).toBe(opened.length)
  })

  it('cuts audio alone on the segment duration', () => {
    const { segmenter, records } = open()
    segmenter.configure({ name: 'audio-1', config: audio })
    feed(segmenter, 0, 7, { videos: [] })
    segmenter.flush()
    const starts = only(records, 'segment-opened').map(({ startTicks }) => (startTicks - START) / S)
    expect(starts).toHaveLength(4)
    starts.forEach((start, index) => void expect(Math.abs(start - index * 2)).toBeLessThan(0.1))
  })

  it('takes audio that starts late into the segment that is open', () => {
    const { segmenter, presentation, records } = open()
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0, 0.8, { audio: false })
    segmenter.configure({ name: 'audio-1', config: audio })
    feed(segmenter, 0.8, 6)
    segmenter.flush()
    const audioRendition = presentation.renditions.find(({ kind }) => kind === 'audio')
    expect(presentation.renditionSegment(audioRendition!.index, 0)).toBeDefined()
    expect(only(records, 'discontinuity')).toEqual([])
  })

  it('lets a rendition join a running presentation behind a discontinuity', () => {
    const { segmenter, presentation, records } = open()
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0, 5, { audio: false })
    segmenter.configure({ name: 'audio-1', config: audio })
    feed(segmenter, 5, 9)
    segmenter.flush()
    const audioRendition = presentation.renditions.find(({ kind }) => kind === 'audio')
    expect(presentation.renditionSegment(audioRendition!.index, 2)).toBeUndefined()
    expect(presentation.renditionSegment(audioRendition!.index, 3)).toBeDefined()
    expect(only(records, 'discontinuity').map(({ reason }) => reason)).toEqual(['codec-change'])
    // At the next key frame, which need not wait for the segment to be long enough.
    expect(only(records, 'segment-opened').map(({ startTicks }) => (startTicks - START) / S)).toEqual([0, 2, 4, 5, 7])
  })

  it('goes on with the next number, behind a discontinuity, after a restart', () => {
    const numbers = { nextSequence: 64, discontinuitySequence: 3, nextTrackNumber: 9, endTicks: START - 60 * S }
    const { segmenter, records } = open({ numbers })
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0, 3, { audio: false })
    segmenter.flush()
    expect(only(records, 'segment-opened')[0]).toMatchObject({ sequence: 64, discontinuitySequence: 4 })
    expect(only(records, 'gap')).toEqual([])
  })

  it('drops video from before the first key frame', () => {
    const { segmenter, records, dropped } = open()
    segmenter.configure({ name: 'video-1', config: video })
    feed(segmenter, 0.2, 4, { audio: false })
    segmenter.flush()
    expect(only(records, 'segment-opened')[0]?.startTicks).toBe(START + S)
    expect(dropped).toHaveLength(20)
  })
})
