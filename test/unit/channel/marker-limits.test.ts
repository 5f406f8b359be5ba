import { describe, expect, it } from 'vitest'
import type { MarkerNews } from '../../../src/channel/markers-news.ts'
import { spliceNews } from '../../../src/channel/markers-scte35.ts'
import type { SegmentationDescriptor } from '../../../src/media/scte35/segmentation.ts'
import { plainSplice, writeSpliceInfo } from '../../../src/media/scte35/splice-info.ts'
import { type Marker, markerBytes } from '../../../src/presentation/markers.ts'
import { deskOf, START_MS } from './marker-bench.ts'

const START = START_MS * 90
const SECOND = 90_000
const out = { type: 'begin', id: 'a', kind: 'ad-break', startTicks: START } as const

function segmentation(typeId: number, more: Partial<Extract<SegmentationDescriptor, { isCancelled: false }>> = {}) {
  return {
    type: 'segmentation',
    eventId: 7,
    eventIdCompliance: true,
    isCancelled: false,
    upid: { type: 0, value: new Uint8Array() },
    typeId,
    segmentNum: 0,
    segmentsExpected: 0,
    ...more,
  } as const
}

function signal(...descriptors: SegmentationDescriptor[]): Uint8Array {
  return writeSpliceInfo({ ...plainSplice, command: { type: 'time-signal', ptsTime: 1 }, descriptors })
}

describe('an end without an id', () => {
  it('is of the break that goes on, not of one that is still to come', () => {
    const markers: Marker[] = []
    const clock = { nowTicks: START }
    const desk = deskOf(markers, [], clock)
    desk.tell(out, 'api')
    desk.tell({ ...out, id: 'later', startTicks: START + 600 * SECOND }, 'api')
    clock.nowTicks += 10 * SECOND
    expect(desk.tell({ type: 'end', endTicks: clock.nowTicks }, 'api')).toMatchObject({ id: 'a' })
    expect(desk.find('a')?.durationTicks).toBe(10 * SECOND)
    expect(desk.find('later')?.durationTicks).toBeUndefined()
    expect(desk.hasBreakAt(clock.nowTicks)).toBe(false)
    expect(desk.tell({ type: 'end', endTicks: clock.nowTicks }, 'api')).toBeUndefined()
  })

  it('may be announced together with its begin', () => {
    const desk = deskOf([])
    desk.tell({ ...out, startTicks: START + 10 * SECOND }, 'api')
    expect(desk.hasBreakAt(START + 40 * SECOND)).toBe(true)
    desk.tell({ type: 'end', endTicks: START + 40 * SECOND }, 'api')
    expect(desk.find('a')?.durationTicks).toBe(30 * SECOND)
  })
})

describe('an end that a marker has no room for', () => {
  const large = { ...out, values: { text: 'x'.repeat(3_900) } }
  const message = { type: 'end', id: 'a', endTicks: START + SECOND, scte35: new Uint8Array(500) } as const

  it('is refused where it is the API’s, and the break goes on', () => {
    const markers: Marker[] = []
    const desk = deskOf(markers)
    desk.tell(large, 'api')
    expect(() => desk.tell(message, 'api')).toThrow('at most 4096 bytes')
    expect(markers).toHaveLength(1)
    expect(desk.tell({ type: 'end', id: 'a', endTicks: START + SECOND }, 'api')).toMatchObject({
      durationTicks: SECOND,
    })
  })

  it('goes without its message where it is the encoder’s, or nobody’s', () => {
    const markers: Marker[] = []
    const clock = { nowTicks: START }
    const desk = deskOf(markers, [], clock)
    desk.tell(large, 'encoder')
    desk.tell(message, 'encoder')
    const room = 4_096 - markerBytes(markers[0] as Marker)
    const full = { ...large, id: 'b', values: { text: 'x'.repeat(3_900 + room - 5) }, plannedTicks: 0 }
    desk.tell({ ...full, autoReturn: true }, 'encoder')
    clock.nowTicks += SECOND
    desk.tick()
    expect(markers.map(({ id, durationTicks }) => [id, durationTicks])).toEqual([
      ['a', undefined],
      ['a', SECOND],
      ['b', undefined],
      ['b', 0],
    ])
    for (const marker of markers) expect(markerBytes(marker)).toBeLessThanOrEqual(4_096)
  })
})

describe('a break whose end nobody says', () => {
  it('ends when its segmentation says that it does', () => {
    const [begin] = spliceNews(signal(segmentation(0x34, { durationTicks: 30 * SECOND })), { startTicks: START })
    const clock = { nowTicks: START }
    const desk = deskOf([], [], clock)
    desk.tell(begin as MarkerNews, 'encoder')
    clock.nowTicks += 31 * SECOND
    desk.tick()
    expect(desk.current).toEqual([])
    expect(desk.all).toMatchObject([{ durationTicks: 30 * SECOND }])
  })

  it('is that long of a segmentation that is told to end in time', () => {
    const clock = { nowTicks: START }
    const desk = deskOf([], [], clock)
    const end = signal(segmentation(0x35))
    const begin = signal(segmentation(0x34, { durationTicks: 30 * SECOND }))
    for (const news of spliceNews(begin, { startTicks: START })) desk.tell(news, 'encoder')
    // A tick that comes with the message is not to be before it.
    clock.nowTicks += 30 * SECOND + 9_000
    desk.tick()
    for (const news of spliceNews(end, { startTicks: START + 30 * SECOND })) desk.tell(news, 'encoder')
    expect(desk.all).toMatchObject([{ durationTicks: 30 * SECOND, scte35In: end }])
  })

  it('is over at last where a splice_insert plans it and does not return by itself', () => {
    const section = writeSpliceInfo({
      ...plainSplice,
      descriptors: [],
      command: {
        type: 'splice-insert',
        eventId: 3,
        isCancelled: false,
        eventIdCompliance: true,
        isOut: true,
        time: 0,
        breakDuration: { autoReturn: false, ticks: 90 * SECOND },
        uniqueProgramId: 0,
        availNum: 0,
        availsExpected: 0,
      },
    })
    const clock = { nowTicks: START }
    const desk = deskOf([], [], clock)
    for (const news of spliceNews(section, { startTicks: START })) desk.tell(news, 'encoder')
    clock.nowTicks += 179 * SECOND
    desk.tick()
    expect(desk.all[0]?.durationTicks).toBeUndefined()
    clock.nowTicks += 2 * SECOND
    desk.tick()
    expect(desk.all).toMatchObject([{ durationTicks: 180 * SECOND }])
  })
})

describe('what an encoder may say', () => {
  it('is so many breaks and so many bytes in a time; the API says what it likes', () => {
    const clock = { nowTicks: START }
    const markers: Marker[] = []
    const desk = deskOf(markers, [], clock)
    const flood = (source: 'encoder' | 'api', sizeBytes: number, count: number) => {
      const before = markers.length
      for (let at = 0; at < count; at++) {
        const id = `${source}-${clock.nowTicks}-${at}`
        const scte35 = new Uint8Array(sizeBytes)
        desk.tell({ type: 'begin', id, kind: 'splice', startTicks: clock.nowTicks + at * 100_000, scte35 }, source)
      }
      return markers.length - before
    }
    expect(flood('encoder', 100, 200)).toBeLessThanOrEqual(20)
    clock.nowTicks += 60 * SECOND
    expect(flood('encoder', 4_000, 200)).toBeLessThanOrEqual(16)
    expect(flood('api', 100, 200)).toBe(200)
    clock.nowTicks += SECOND
    expect(flood('encoder', 100, 1)).toBe(1)
    // The clock may be set back.
    clock.nowTicks -= 3_600 * SECOND
    flood('encoder', 100, 200)
    clock.nowTicks += 2 * SECOND
    expect(flood('encoder', 100, 5)).toBe(5)
  })

  it('leaves room for breaks where it is texts', () => {
    const markers: Marker[] = []
    const desk = deskOf(markers)
    for (let at = 0; at < 40; at++) desk.tell({ ...out, id: `t${at}`, kind: 'text' }, 'encoder')
    expect(markers).toHaveLength(10)
    expect(desk.tell(out, 'encoder')).toMatchObject({ id: 'a' })
  })

  it('is sixteen segmentations in a message', () => {
    const many = Array.from({ length: 100 }, (_, eventId) => segmentation(0x10, { eventId }))
    const news = spliceNews(signal(...many), { startTicks: START })
    expect(news.map(({ id }) => id)).toEqual(Array.from({ length: 16 }, (_, id) => `segmentation-${id}-t16`))
  })
})
