import { createHash } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { recoverRecording } from '../../../src/archive/recover-recording.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { MemoryDisk } from './memory-disk.ts'
import { type BenchOptions, RecordingBench, START_MS } from './recording-bench.ts'

// Thousands of recoveries: a machine with other work takes its time.
vi.setConfig({ testTimeout: 60_000 })

const KEY = createHash('sha256').update('key').digest()

/** Seven segments in two files, the first of them in a second stretch, and an eighth that is being written. */
async function recorded(options: BenchOptions = {}): Promise<RecordingBench> {
  const bench = await RecordingBench.start({ ...options, recording: { spanMs: 8_000, ...options.recording } })
  // Nothing comes to storage: all is to be found on the disk.
  bench.storage.fault = () => new Promise(() => undefined)
  await bench.segments(2, 2)
  bench.discontinuity()
  await bench.segments(3, 2)
  await bench.gap()
  await bench.segment(2)
  bench.begin(2)
  await bench.recording.settled()
  return bench
}

/** Which segment each number stands for, gaps left out. */
function contents(presentation: Pick<Presentation, 'firstSequence' | 'endSequence' | 'segment'>): Map<number, number> {
  const found = new Map<number, number>()
  for (let sequence = presentation.firstSequence; sequence < presentation.endSequence; sequence++) {
    const row = presentation.segment(sequence)!
    if (!row.gap) found.set(sequence, row.startTicks)
  }
  return found
}

/** What a new process makes of the folder: a valid presentation, with numbers that go on behind all that was given. */
async function recovered(disk: MemoryDisk, key?: Uint8Array) {
  const found = await recoverRecording(disk, key, silentLogger)
  if (!found) return undefined
  const presentation = new Presentation(found.header)
  for (const record of found.records) if (record.type !== 'opened') presentation.apply(record)
  const isBehind = presentation.endSequence > presentation.firstSequence || found.records.length > 0
  if (isBehind && found.end)
    expect(found.end.nextSequence).toBe(Math.max(presentation.endSequence, found.end.nextSequence))
  for (const file of found.files) await file.close()
  return { ...found, presentation, contents: contents(presentation) }
}

function expectSubset(part: Map<number, number>, whole: Map<number, number>): void {
  for (const [sequence, startTicks] of part) expect(whole.get(sequence)).toBe(startTicks)
}

/** No number is free that an earlier segment had. */
function expectBehind(found: NonNullable<Awaited<ReturnType<typeof recovered>>>, lastSeen: number): void {
  const nextSequence = (found.end?.nextSequence ?? 0) + (found.open ? 1 : 0)
  expect(nextSequence).toBeGreaterThan(lastSeen)
}

describe.each([
  ['plain', undefined],
  ['sealed', KEY],
] as const)('recovery of a %s recording', (_name, assetKey) => {
  it('finds all that was closed, and knows which segment was open', async () => {
    const bench = await recorded(assetKey && { assetKey })
    const whole = contents(bench.view as Presentation)
    const found = await recovered(bench.disk.copy(), assetKey)
    expect(found?.contents).toEqual(whole)
    expect([found?.end?.nextSequence, found?.open?.sequence, found?.tornBytes]).toEqual([7, 7, 0])
    expect(found?.presentation.discontinuityStartTicks(1)).toBe(bench.view.discontinuityStartTicks(1))
    await bench.stop()
  })

  it('survives every truncation of the last file', async () => {
    const bench = await recorded(assetKey && { assetKey })
    const whole = contents(bench.view as Presentation)
    const last = bench.disk.journals.at(-1)!
    const bytes = bench.disk.bytesOf(last)
    let most = 0
    for (let size = 0; size <= bytes.byteLength; size += 1) {
      const disk = bench.disk.copy()
      disk.set(last, bytes.subarray(0, size))
      const found = await recovered(disk, assetKey)
      expectSubset(found!.contents, whole)
      // What was there once is never less with more of the file.
      expect(found!.contents.size).toBeGreaterThanOrEqual(most)
      most = found!.contents.size
      expect(disk.openFiles).toBe(0)
    }
    expect(most).toBe(whole.size)
    await bench.stop()
  })

  it('makes gaps of what a flipped bit is in, wherever it is, or refuses', async () => {
    const bench = await recorded(assetKey && { assetKey })
    const whole = contents(bench.view as Presentation)
    let refused = 0
    for (const name of bench.disk.journals) {
      const bytes = bench.disk.bytesOf(name)
      const isLast = name === bench.disk.journals.at(-1)
      for (let at = 0; at < bytes.byteLength; at += assetKey ? 11 : 5) {
        const disk = bench.disk.copy()
        const flipped = Buffer.from(bytes)
        flipped[at]! ^= 1 << (at % 8)
        disk.set(name, flipped)
        const found = await recovered(disk, assetKey).catch((error: { code?: string }) => {
          expect(error.code).toBe('ARCHIVE_DAMAGED')
          refused++
          return undefined
        })
        if (!found) continue
        expectSubset(found.contents, whole)
        // Without a track that is announced in the first file, its segments are gaps.
        expect(found.contents.size).toBeGreaterThanOrEqual(whole.size - (isLast ? 1 : 4))
        if (!isLast) expectBehind(found, 7)
        else expectBehind(found, 6)
      }
    }
    // A salt that is another one, nobody can do anything about.
    expect(refused > 0).toBe(assetKey !== undefined)
    await bench.stop()
  })

  it('makes gaps of a file that is missing, empty, or nothing but noise', async () => {
    const bench = await recorded({ ...(assetKey && { assetKey }), recording: { spanMs: 4_000 } })
    const whole = contents(bench.view as Presentation)
    expect(bench.disk.journals.length).toBeGreaterThanOrEqual(3)
    const noise = Buffer.alloc(5_000, createHash('sha512').update('noise').digest())
    const damages = [undefined, Buffer.alloc(0), Buffer.alloc(17), Buffer.alloc(4_096), noise, noise.subarray(0, 40)]
    for (const name of bench.disk.journals) {
      const isLast = name === bench.disk.journals.at(-1)
      for (const damage of damages) {
        const disk = bench.disk.copy()
        if (damage) disk.set(name, damage)
        else disk.files.delete(name)
        const found = await recovered(disk, assetKey)
        expectSubset(found!.contents, whole)
        expect(found!.contents.size).toBeGreaterThanOrEqual(whole.size - 3)
        if (!isLast) expectBehind(found!, 7)
        expect(disk.openFiles).toBe(0)
      }
    }
    await bench.stop()
  })
})

describe('recovery', () => {
  it('refuses a sealed recording without its key, or under another one, and leaves it as it is', async () => {
    const bench = await recorded({ assetKey: KEY })
    for (const key of [undefined, Buffer.alloc(32, 1)]) {
      const disk = bench.disk.copy()
      await expect(recoverRecording(disk, key, silentLogger)).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' })
      expect([disk.names, disk.openFiles]).toEqual([bench.disk.names, 0])
      expect(disk.journals.map((name) => disk.bytesOf(name))).toEqual(
        bench.disk.journals.map((name) => bench.disk.bytesOf(name)),
      )
    }
    await bench.stop()
  })

  it('refuses a folder that does not say whose it is', async () => {
    const bench = await recorded()
    for (const text of ['', '{}', '{"accountId":1}', 'null', '[']) {
      const disk = bench.disk.copy()
      disk.set('recording.json', Buffer.from(text))
      await expect(recoverRecording(disk, undefined, silentLogger)).rejects.toMatchObject({ code: 'ARCHIVE_DAMAGED' })
    }
    await bench.stop()
  })

  it('survives every truncation, and every flipped bit, of a chunk', async () => {
    const bench = await RecordingBench.start({ recording: { spanMs: 8_000 } })
    await bench.segments(13)
    await bench.recording.committed()
    const whole = contents(bench.view as Presentation)
    const chunks = bench.disk.names.filter((name) => name.endsWith('.chunk'))
    expect(chunks).toHaveLength(3)
    for (const chunk of chunks) {
      const bytes = bench.disk.bytesOf(chunk)
      const damages = [
        ...Array.from({ length: bytes.byteLength }, (_, size) => bytes.subarray(0, size)),
        ...Array.from({ length: bytes.byteLength / 7 }, (_, step) => {
          const flipped = Buffer.from(bytes)
          flipped[step * 7]! ^= 0x10
          return flipped
        }),
      ]
      for (const damage of damages) {
        const disk = bench.disk.copy()
        disk.set(chunk, damage)
        const found = await recovered(disk)
        expectSubset(found!.contents, whole)
        expect(found!.contents.size).toBeGreaterThanOrEqual(whole.size - 4)
        expectBehind(found!, 12)
      }
    }
    await bench.stop()
  })

  it('goes on behind what a failed write left, however often it was tried', async () => {
    const bench = await RecordingBench.start()
    await bench.segments(2, 2)
    let failures = 0
    bench.disk.fault = ({ op }) => {
      if (op === 'sync' && failures < 3) throw new Error(`EIO ${++failures}`)
      if (op === 'truncate') throw new Error('EIO')
      return undefined
    }
    await bench.segments(4, 2)
    expect(failures).toBe(3)
    expect(bench.observer.told).toContain('recovered')
    const whole = contents(bench.view as Presentation)
    await bench.crash(1)
    expect(contents(bench.view as Presentation)).toEqual(whole)
    expect(bench.view.segment(0)?.startTicks).toBe(START_MS * 90)
    await bench.stop()
  })

  it('never gives the number of a segment again that was open, however often the process ends', async () => {
    const bench = await RecordingBench.start()
    bench.begin(2)
    await bench.recording.settled()
    expect((bench.view as Presentation).openSegment?.sequence).toBe(0)
    for (let crash = 0; crash < 4; crash++) {
      await bench.crash(crash % 2)
      expect(bench.view.segment(0)).toMatchObject({ sequence: 0, gap: true, startTicks: START_MS * 90 })
    }
    await bench.resume()
    await bench.segments(2)
    expect(bench.nextSequence).toBe(bench.view.endSequence)
    expect(bench.view.segment(0)?.gap).toBe(true)
    await bench.stop()
  })
})
