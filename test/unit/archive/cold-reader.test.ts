import { describe, expect, it } from 'vitest'
import { spanBlob } from '../../../src/archive/blob-names.ts'
import { ColdReader } from '../../../src/archive/cold-reader.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { FOLDER, RecordingBench } from './recording-bench.ts'

const SIZE = 1_000

async function bench(cacheBytes = 100_000) {
  const made = await RecordingBench.start({ recording: { hotBytes: 0 } })
  await made.segments(21, 1, SIZE)
  await made.recording.committed()
  const place = { place: { kind: 'filesystem' } as never, key: undefined, folder: FOLDER }
  const reader = new ColdReader(
    {
      storage: () => made.storage,
      spooled: async (_id, rendition, sequence) => {
        const track = made.view.renditionSegment(rendition, sequence)?.track
        return track === undefined ? undefined : made.recording.readSpooled(sequence, track)
      },
    },
    cacheBytes,
  )
  const never = new AbortController().signal
  const read = (sequence: number, signal = never, rendition = 0) =>
    reader.read({ view: made.view, place }, rendition, sequence, signal)
  const reads = () => made.storage.calls.filter(({ op }) => op === 'read').length
  const whole = (sequence: number) => made.expected(1, made.view.segment(sequence)!.startTicks, 1, SIZE)
  return { made, reader, read, reads, whole }
}

describe('ColdReader', () => {
  it('reads what is in storage, and what is on its way there', async () => {
    const { made, read, whole } = await bench()
    for (let sequence = 0; sequence < made.view.endSequence; sequence++) {
      const bytes = Buffer.concat((await read(sequence)) ?? [])
      expect(bytes.equals(whole(sequence))).toBe(true)
    }
    expect(await read(500)).toBeUndefined()
    await made.stop()
  })

  it('reads once for a crowd, and keeps the newest within its budget', async () => {
    const { made, reader, read, reads, whole } = await bench(4_500)
    const crowd = await Promise.all(Array.from({ length: 50 }, () => read(3)))
    for (const bytes of crowd) expect(Buffer.concat(bytes ?? []).equals(whole(3))).toBe(true)
    expect(reads()).toBe(1)
    for (const sequence of [4, 5, 6]) await read(sequence)
    await read(3)
    expect([reads(), reader.cachedBytes]).toEqual([4, 4_000])
    await read(7)
    await read(3)
    expect([reads(), reader.cachedBytes]).toEqual([5, 4_000])
    await read(4)
    expect(reads()).toBe(6)
    await made.stop()
  })

  it('goes on as long as anybody wants it, and gives up with the last one', async () => {
    const { made, read, reads, whole } = await bench()
    let go: () => void = () => undefined
    made.storage.fault = () =>
      new Promise<void>((resolve) => {
        go = resolve
      })
    const leaving = new AbortController()
    const left = read(2, leaving.signal)
    const stays = read(2)
    leaving.abort(new AppError('STOPPED', 'gone'))
    await expect(left).rejects.toMatchObject({ code: 'STOPPED' })
    go()
    expect(Buffer.concat((await stays) ?? []).equals(whole(2))).toBe(true)
    expect(reads()).toBe(1)
    const last = new AbortController()
    const given = read(4, last.signal)
    last.abort(new AppError('STOPPED', 'gone'))
    await expect(given).rejects.toMatchObject({ code: 'STOPPED' })
    // Nobody joins what was given up.
    const again = read(4)
    await new Promise((resolve) => setImmediate(resolve))
    go()
    expect(Buffer.concat((await again) ?? []).equals(whole(4))).toBe(true)
    expect(reads()).toBe(3)
    await expect(read(5, AbortSignal.abort(new AppError('STOPPED', 'gone')))).rejects.toMatchObject({ code: 'STOPPED' })
    await made.stop()
  })

  it('tells everybody what went wrong, and reads anew the next time', async () => {
    const { made, read, reads } = await bench()
    made.storage.fault = () => {
      throw new AppError('STORAGE_DOWN', 'down')
    }
    const failures = await Promise.allSettled([read(1), read(1)])
    expect(failures).toMatchObject(failures.map(() => ({ status: 'rejected', reason: { code: 'STORAGE_DOWN' } })))
    expect(reads()).toBe(1)
    made.storage.fault = () => undefined
    expect(await read(1)).toBeDefined()
    await made.stop()
  })

  it('finds nothing where the blob is gone', async () => {
    const { made, read } = await bench()
    made.storage.blobs.delete(spanBlob(FOLDER, 1, made.view.segment(0)!.startTicks))
    expect(await read(1)).toBeUndefined()
    await made.stop()
  })
})
