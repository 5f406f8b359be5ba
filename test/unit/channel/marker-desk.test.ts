import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MarkerChange } from '../../../src/channel/markers-news.ts'
import { readSpliceInfo } from '../../../src/media/scte35/splice-info.ts'
import type { Marker } from '../../../src/presentation/markers.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { deskOf, START_MS } from './marker-bench.ts'

describe('the desk', () => {
  const out = { type: 'begin', id: 'a', kind: 'ad-break', startTicks: START_MS * 90, plannedTicks: 90_000 } as const

  it('makes the messages of a break for which none came', () => {
    const markers: Marker[] = []
    const desk = deskOf(markers)
    desk.tell(out, 'api')
    desk.tell({ type: 'end', endTicks: START_MS * 90 + 45_000 }, 'api')
    const [begun, ended] = markers
    const { command } = readSpliceInfo(begun?.scte35 ?? new Uint8Array())
    const pts = (START_MS * 90) % 2 ** 33
    expect(command).toMatchObject({ isOut: true, time: pts, breakDuration: { ticks: 90_000, autoReturn: false } })
    expect(readSpliceInfo(ended?.scte35In ?? new Uint8Array()).command).toMatchObject({
      isOut: false,
      time: (pts + 45_000) % 2 ** 33,
      eventId: command.type === 'splice-insert' && command.eventId,
    })
    expect(ended).toMatchObject({ durationTicks: 45_000, revision: 1, scte35: begun?.scte35 })
  })

  it('calls off what has not begun, and ends what has', () => {
    const changes: MarkerChange[] = []
    const markers: Marker[] = []
    const desk = deskOf(markers, changes)
    desk.tell({ ...out, id: 'later', startTicks: out.startTicks + 900_000 }, 'api')
    desk.tell({ ...out, id: 'now', startTicks: out.startTicks - 9_000 }, 'api')
    for (const id of ['later', 'now', 'later', 'now']) desk.tell({ type: 'cancel', id }, 'api')
    expect(changes.map(({ change, marker }) => `${marker.id} ${change}`)).toEqual([
      'later begun',
      'now begun',
      'later cancelled',
      'now ended',
    ])
    expect(desk.find('now')?.durationTicks).toBe(9_000)
    expect(desk.tell({ type: 'cancel', id: 'none' }, 'api')).toBeUndefined()
  })

  it('takes an id again for another event, when the first is over', () => {
    const markers: Marker[] = []
    const desk = deskOf(markers)
    desk.tell(out, 'encoder')
    desk.tell({ ...out, startTicks: out.startTicks + 40 }, 'encoder')
    desk.tell({ type: 'end', id: 'a', endTicks: out.startTicks + 90_000 }, 'encoder')
    desk.tell({ ...out, startTicks: out.startTicks + 9_000_000 }, 'encoder')
    desk.tell({ type: 'end', id: 'a', endTicks: out.startTicks + 9_090_000 }, 'encoder')
    expect(desk.all.map(({ id, durationTicks }) => [id, durationTicks])).toEqual([
      ['a', 90_000],
      [`a-${START_MS + 100_000}`, 90_000],
    ])
  })

  it('knows what an earlier run began, and ends it', () => {
    const before: Marker[] = []
    deskOf(before).tell({ ...out, autoReturn: true }, 'api')
    const markers: Marker[] = []
    const clock = { nowTicks: out.startTicks + 60_000 }
    const desk = deskOf(markers, [], clock, before)
    desk.tick()
    expect(markers).toEqual([])
    clock.nowTicks += 60_000
    desk.tick()
    desk.tick()
    expect(markers).toMatchObject([{ id: 'a', durationTicks: 90_000, revision: 1 }])
  })

  it('refuses what is too large', () => {
    const values = { text: 'x'.repeat(5_000) }
    expect(() => deskOf([]).tell({ ...out, values }, 'api')).toThrow('at most 4096 bytes')
  })

  it('never changes what was published of a marker', () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constant('begin' as const),
        id: fc.constantFrom('a', 'b'),
        in: fc.nat(200),
        planned: fc.option(fc.nat(90)),
      }),
      fc.record({ type: fc.constant('end' as const), id: fc.option(fc.constantFrom('a', 'b')), in: fc.nat(200) }),
      fc.record({ type: fc.constant('cancel' as const), id: fc.constantFrom('a', 'b') }),
      fc.record({ type: fc.constant('wait' as const), seconds: fc.nat(60) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const clock = { nowTicks: START_MS * 90 }
        const presentation = new Presentation({ id: 'p', epoch: 'e', targetDurationMs: 2_000 })
        const markers: Marker[] = []
        const desk = deskOf(markers, [], clock)
        const published = new Map<string, Marker>()
        for (const each of steps) {
          if (each.type === 'wait') clock.nowTicks += each.seconds * 90_000
          if (each.type === 'cancel') desk.tell(each, 'api')
          if (each.type === 'end') {
            desk.tell(
              { type: 'end', endTicks: clock.nowTicks + each.in * 90_000, ...(each.id && { id: each.id }) },
              'api',
            )
          }
          if (each.type === 'begin') {
            const startTicks = clock.nowTicks + each.in * 90_000
            const planned = each.planned === null ? {} : { plannedTicks: each.planned * 90_000 }
            desk.tell({ type: 'begin', id: each.id, kind: 'ad-break', startTicks, ...planned }, 'api')
          }
          desk.tick()
          for (const marker of markers.splice(0)) presentation.apply({ type: 'marker', ...marker })
          for (const { changedSequence: _changed, ...marker } of presentation.markers) {
            // All that was said before is said still.
            const before = published.get(marker.id)
            if (before) expect(marker).toMatchObject({ ...before, revision: marker.revision })
            published.set(marker.id, marker)
          }
        }
      }),
    )
  })
})
