import { describe, expect, it } from 'vitest'
import { DashHoles } from '../../../player/src/dash-holes.ts'

const answer = (status: number, type = 'MediaSegment', startTime = 100) => {
  const traces = [{ b: [150] }]
  return { status, data: new ArrayBuffer(3), request: { customData: { request: { type, startTime, traces } } } }
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
