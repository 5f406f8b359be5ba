import { beforeEach, describe, expect, it } from 'vitest'
import { type DeliveryItem, DeliveryLanes } from '../../../src/events/webhook-lanes.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { otherAccount, sampleEvent } from '../../support/event-store.ts'

const accountId = otherAccount()

function item(position: number, channel: string): DeliveryItem {
  const event = { id: `ev_${position}`, ...sampleEvent(accountId, channel, `${position}`) } as DeliveryItem['event']
  return { position, event, text: JSON.stringify(event), attempts: 0 }
}

let clock: VirtualClock
let lanes: DeliveryLanes
let ready: number

beforeEach(() => {
  clock = new VirtualClock()
  ready = 0
  lanes = new DeliveryLanes(clock, { maxItems: 5, maxLength: 100_000 }, () => {
    ready += 1
  })
})

describe('delivery lanes', () => {
  it('have one event of an entity under way, and the next when that is settled', () => {
    const [a1, a2, b1] = [item(1, 'a'), item(2, 'a'), item(3, 'b')]
    for (const one of [a1, a2, b1]) lanes.add(one)
    expect([lanes.take(), lanes.take(), lanes.take()]).toEqual([a1, b1, undefined])
    lanes.settle(b1)
    expect(lanes.take()).toBeUndefined()
    lanes.settle(a1)
    expect([lanes.take(), lanes.take()]).toEqual([a2, undefined])
  })

  it('let other entities go on while one waits to try again', async () => {
    const [a1, a2, b1, b2] = [item(1, 'a'), item(2, 'a'), item(3, 'b'), item(4, 'b')]
    for (const one of [a1, a2, b1, b2]) lanes.add(one)
    expect(lanes.take()).toBe(a1)
    a1.attempts = 1
    lanes.retry(a1, 1_000)
    for (const one of [b1, b2]) {
      expect(lanes.take()).toBe(one)
      lanes.settle(one)
    }
    expect(lanes.take()).toBeUndefined()
    await clock.advance(999)
    expect([ready, lanes.take()]).toEqual([0, undefined])
    await clock.advance(1)
    expect([ready, lanes.take()]).toEqual([1, a1])
  })

  it('end every wait on request', async () => {
    const one = item(1, 'a')
    lanes.add(one)
    lanes.take()
    lanes.retry(one, 600_000)
    lanes.retryAllNow()
    expect(lanes.take()).toBe(one)
    await clock.advance(600_000)
    expect(ready).toBe(0)
  })

  it('are full by number or by size, and say what is pending', () => {
    for (let position = 1; position <= 4; position += 1) lanes.add(item(position, `c${position % 2}`))
    expect(lanes.isFull).toBe(false)
    const taken = lanes.take()!
    taken.attempts = 7
    expect(lanes.pending()).toEqual([
      [1, 7],
      [2, 0],
      [3, 0],
      [4, 0],
    ])
    lanes.add(item(5, 'a'))
    expect(lanes.isFull).toBe(true)
    lanes.settle(taken)
    expect(lanes.isFull).toBe(false)
    lanes.add({ ...item(6, 'b'), text: 'x'.repeat(100_000) })
    expect(lanes.isFull).toBe(true)
  })
})
