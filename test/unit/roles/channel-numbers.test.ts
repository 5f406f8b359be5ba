import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { type Logger, silentLogger } from '../../../src/lib/logger.ts'
import { ChannelNumbers, numbersFile } from '../../../src/roles/channel-numbers.ts'
import { DataDir } from '../../../src/roles/data-dir.ts'

const root = mkdtempSync(join(tmpdir(), 'headend-numbers-'))
afterAll(() => rmSync(root, { recursive: true }))

const clock = new VirtualClock(Date.UTC(2026, 10, 21))
const numbers = { nextSequence: 7, discontinuitySequence: 2, nextTrackNumber: 3, endTicks: 123_456 }

function open(folder: string, id = 'ch_one') {
  const dataDir = new DataDir(join(root, folder))
  const errors: unknown[] = []
  const logger = { ...silentLogger, error: (fields: unknown) => void errors.push(fields) } as unknown as Logger
  return { dataDir, errors, kept: new ChannelNumbers(id, { dataDir, clock, logger }) }
}

describe('ChannelNumbers', () => {
  it('gives back what was saved, here and in the next process', async () => {
    const { kept, dataDir } = open('kept')
    expect(kept.load()).toBeUndefined()
    const saving = kept.save(numbers)
    expect(kept.load()).toEqual(numbers)
    await saving
    const next = open('kept').kept
    expect(next.load()).toEqual(numbers)
    expect(dataDir.readJson(numbersFile('ch_one'))).toHaveProperty('numbers.nextSequence', 7)
    expect(open('kept', 'ch_two').kept.load()).toBeUndefined()
  })

  it('goes on behind what was recorded, where that is later', async () => {
    const { dataDir, kept } = open('floor')
    await kept.save(numbers)
    const at = (floorTicks: number) =>
      new ChannelNumbers('ch_one', { dataDir, clock, logger: silentLogger, floorTicks: () => floorTicks }).load()
    expect(at(200_000)).toEqual({ ...numbers, endTicks: 200_000 })
    expect(at(100)).toEqual(numbers)
  })

  it('writes in the order in which it was told', async () => {
    const { kept } = open('order')
    const saves = Array.from({ length: 20 }, (_, nextSequence) => kept.save({ ...numbers, nextSequence }))
    await Promise.all(saves)
    expect(open('order').kept.load()).toHaveProperty('nextSequence', 19)
  })

  it('knows what was set last while the disk can not be written, and says that it could not', async () => {
    const { kept, dataDir } = open('full')
    mkdirSync(join(dataDir.path, numbersFile('ch_one')), { recursive: true })
    await expect(kept.save(numbers)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' })
    expect(kept.load()).toEqual(numbers)
  })

  it.each([
    ['torn', '{"numbers":{"nextSeq'],
    ['of another kind', '[]'],
    ['negative', JSON.stringify({ numbers: { ...numbers, nextSequence: -1 } })],
    ['no number', JSON.stringify({ numbers: { ...numbers, nextTrackNumber: '4' } })],
    ['beyond 32 bits', JSON.stringify({ numbers: { ...numbers, discontinuitySequence: 2 ** 32 } })],
    ['with a hole', JSON.stringify({ numbers: { nextSequence: 3 } })],
  ])('goes on past anything that could have been given where the file is %s', (name, text) => {
    const { dataDir } = open(name)
    mkdirSync(join(dataDir.path, 'channels'))
    writeFileSync(join(dataDir.path, numbersFile('ch_one')), text)
    const { kept, errors } = open(name)
    expect(errors).toMatchObject([{ file: 'channels/ch_one.json', problem: expect.any(String) }])
    const found = kept.load()
    // Two segments a second, at most, since there are channels.
    const seconds = (clock.now() - Date.UTC(2026, 0, 1)) / 1_000
    expect(found?.nextSequence).toBeGreaterThan(seconds * 2)
    expect(found?.nextSequence).toBeLessThan(2 ** 32)
    expect(found?.discontinuitySequence).toBeGreaterThan(1_000_000)
    expect(found?.nextTrackNumber).toBeGreaterThan(1_000_000)
    expect(found?.endTicks).toBe(clock.now() * 90)
  })

  it('does not go on where the file is there and can not be read', () => {
    const { dataDir } = open('unreadable')
    mkdirSync(join(dataDir.path, numbersFile('ch_one')), { recursive: true })
    expect(() => open('unreadable')).toThrow(expect.objectContaining({ code: 'STATE_UNWRITABLE' }))
  })
})
