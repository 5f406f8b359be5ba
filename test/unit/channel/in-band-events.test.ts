import { expect, it } from 'vitest'
import { InBandEvents } from '../../../src/channel/in-band-events.ts'
import { readBoxes } from '../../../src/media/isobmff/boxes.ts'
import { readEventMessage } from '../../../src/media/isobmff/event-message.ts'
import { eventId } from '../../../src/presentation/marker-events.ts'
import { MAX_MARKERS } from '../../../src/presentation/markers.ts'

it('keeps those markers that were told last where no segment opens for long', () => {
  const events = new InBandEvents()
  const scte35 = Uint8Array.of(0xfc, 0x30, 1)
  const told = 3 * MAX_MARKERS
  for (let id = 0; id < told; id++) {
    const startTicks = id * 90_000
    events.take({ version: 1, id: `m${id}`, kind: 'ad-break', startTicks, wallMs: 0, revision: 0, scte35 })
  }
  const found: number[] = []
  // Each segment has room for some hundreds of them.
  for (let segment = 0; segment < 20; segment++) {
    const boxes = events.next(segment * 180_000, [])?.boxes
    if (boxes) found.push(...readBoxes(boxes, '').map((box) => readEventMessage(box).id))
  }
  expect(found).toHaveLength(MAX_MARKERS)
  expect(found.at(-1)).toBe(eventId(`m${told - 1}`))
  expect(found[0]).toBe(eventId(`m${told - MAX_MARKERS}`))
})
