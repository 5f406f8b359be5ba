import { describe, expect, it } from 'vitest'
import { NumberKeeper } from '../../../src/channel/number-keeper.ts'
import type { SegmenterNumbers } from '../../../src/channel/record-writer.ts'
import type { Logger } from '../../../src/lib/logger.ts'
import { silentLogger } from './channel-bench.ts'

/** A disk that answers when it is told to. */
class Disk {
  saved: SegmenterNumbers | undefined
  writes = 0
  isFailing = false
  #held: (() => void)[] | undefined

  constructor(saved?: SegmenterNumbers) {
    this.saved = saved
  }

  hold(): void {
    this.#held = []
  }

  release(): void {
    for (const go of this.#held ?? []) go()
    this.#held = undefined
  }

  load(): SegmenterNumbers | undefined {
    return this.saved
  }

  async save(numbers: SegmenterNumbers): Promise<void> {
    this.writes++
    if (this.#held) await new Promise<void>((resolve) => this.#held?.push(resolve))
    if (this.isFailing) throw new Error('disk full')
    this.saved = numbers
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

function numbers(nextSequence: number, discontinuitySequence = 0, nextTrackNumber = 1): SegmenterNumbers {
  return { nextSequence, discontinuitySequence, nextTrackNumber, endTicks: nextSequence * 180_000 }
}

describe('NumberKeeper', () => {
  it('sets numbers aside before any is used', async () => {
    const disk = new Disk()
    const keeper = new NumberKeeper(disk, silentLogger)
    await settle()
    expect(keeper.initial).toEqual({ nextSequence: 0, discontinuitySequence: 0, nextTrackNumber: 1, endTicks: 0 })
    expect(disk.saved?.nextSequence).toBeGreaterThanOrEqual(32)
    expect(disk.saved?.discontinuitySequence).toBeGreaterThan(0)
    expect(disk.saved?.nextTrackNumber).toBeGreaterThan(1)
  })

  it('never has a number in use that is not set aside on disk, and writes seldom', async () => {
    const disk = new Disk()
    const keeper = new NumberKeeper(disk, silentLogger)
    for (let sequence = 1; sequence <= 1_000; sequence++) {
      const used = numbers(sequence, Math.floor(sequence / 10), 1 + Math.floor(sequence / 20))
      keeper.used(used)
      await settle()
      expect(disk.saved?.nextSequence).toBeGreaterThanOrEqual(used.nextSequence)
      expect(disk.saved?.discontinuitySequence).toBeGreaterThanOrEqual(used.discontinuitySequence)
      expect(disk.saved?.nextTrackNumber).toBeGreaterThanOrEqual(used.nextTrackNumber)
    }
    expect(disk.writes).toBeLessThan(60)
  })

  it('goes on past everything that was used after a crash, and exactly after an orderly stop', async () => {
    const disk = new Disk()
    const first = new NumberKeeper(disk, silentLogger)
    const live = { ...numbers(41, 3, 4) }
    first.used(live)
    await settle()
    expect(new NumberKeeper(new Disk(disk.saved), silentLogger).initial.nextSequence).toBeGreaterThan(41)
    const closing = first.close(live)
    // The segmenter's numbers are a live object: what they become later is not what was closed with.
    live.nextSequence = 999
    await closing
    expect(disk.saved).toEqual(numbers(41, 3, 4))
  })

  it('waits at the end for a slow disk, in order', async () => {
    const disk = new Disk()
    const keeper = new NumberKeeper(disk, silentLogger)
    await settle()
    disk.hold()
    keeper.used(numbers(60))
    const closing = keeper.close(numbers(61))
    await settle()
    disk.release()
    await closing
    expect(disk.saved).toEqual(numbers(61))
  })

  it('logs a failing disk, throws nothing, and tries again', async () => {
    const errors: unknown[] = []
    const logger = { ...silentLogger, error: (fields: unknown) => void errors.push(fields) } as Logger
    const disk = new Disk()
    disk.isFailing = true
    const keeper = new NumberKeeper(disk, logger)
    for (let sequence = 1; sequence <= 200; sequence++) keeper.used(numbers(sequence))
    await settle()
    expect(errors.length).toBeGreaterThan(2)
    expect(errors[0]).toEqual({ error: 'disk full' })
    disk.isFailing = false
    await keeper.close(numbers(200))
    expect(disk.saved).toEqual(numbers(200))
  })
})
