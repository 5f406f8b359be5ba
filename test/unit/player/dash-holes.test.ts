import { describe, expect, it } from 'vitest'
import { DashHoles } from '../../../player/src/dash-holes.ts'

const answer = (status: number, type = 'MediaSegment', startTime = 100, mediaType = 'video') => {
  const traces = [{ b: [150] }]
  const request = { customData: { request: { type, mediaType, startTime, traces } } }
  return { status, data: new ArrayBuffer(3), request }
}

describe('holes in a stream whose segments are counted', () => {
  it('are filled with a box that says nothing, and count for nothing', () => {
    const holes = new DashHoles()
    const missing = answer(404)
    expect(holes.fill(missing)).toBe(true)
    expect(missing.status).toBe(200)
    expect([...new Uint8Array(missing.data)]).toEqual([0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65])
    expect(missing.request.customData.request.traces).toEqual([])
  })

  it('are where nothing was found, until there is something, or a later stretch', () => {
    const holes = new DashHoles()
    expect(holes.isMissingFrom(0)).toBe(false)
    holes.fill(answer(404))
    expect(holes.isMissingFrom(90)).toBe(true)
    expect(holes.isMissingFrom(110)).toBe(false)
    expect(holes.fill(answer(200))).toBe(false)
    expect(holes.isMissingFrom(90)).toBe(false)
  })

  it('are where neither pictures nor sound were found: one that stops alone is none', () => {
    const holes = new DashHoles()
    const ask = (mediaType: string, status: number, startTime: number) =>
      holes.fill(answer(status, 'MediaSegment', startTime, mediaType))
    ask('audio', 200, 98)
    ask('video', 404, 100)
    expect(holes.isMissingFrom(90)).toBe(false)
    ask('audio', 404, 100)
    expect(holes.isMissingFrom(90)).toBe(true)
    // What is said now and then says nothing.
    ask('text', 200, 102)
    expect(holes.isMissingFrom(90)).toBe(true)
    ask('audio', 200, 102)
    expect(holes.isMissingFrom(90)).toBe(false)
    // A later stretch without sound.
    ask('video', 404, 110)
    expect(holes.isMissingFrom(105)).toBe(true)
  })

  it('may be none where so many in a row are not there although the manifest lists them', () => {
    const holes = new DashHoles()
    const miss = (numbers: number, from: number) => {
      for (let at = 0; at < numbers; at++) holes.fill(answer(404, 'MediaSegment', from + at * 2))
    }
    miss(40, 100)
    expect(holes.isInVain).toBe(false)
    holes.listed(90)
    expect(holes.isInVain).toBe(true)
    holes.fill(answer(200, 'MediaSegment', 190))
    miss(29, 200)
    holes.listed(90)
    expect(holes.isInVain).toBe(false)
    miss(1, 258)
    expect([holes.isInVain, holes.isMissingFrom(90)]).toEqual([true, true])
    // The encoder is back.
    holes.listed(262)
    expect([holes.isInVain, holes.isMissingFrom(90)]).toEqual([false, false])
  })

  it.each([
    [503, 'MediaSegment'],
    [410, 'MediaSegment'],
    [0, 'MediaSegment'],
    [404, 'InitializationSegment'],
    [404, 'MPD'],
  ])('are not what is answered by %s to a request for %s', (status, type) => {
    const holes = new DashHoles()
    const other = answer(status, type)
    expect(holes.fill(other)).toBe(false)
    expect([other.status, other.data.byteLength]).toEqual([status, 3])
    expect(holes.isMissingFrom(0)).toBe(false)
    expect(holes.fill({ status: 404, request: {} })).toBe(false)
  })
})
