import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import type { ByteRange } from '../../../src/lib/http-conditions.ts'
import { BlockReader } from '../../../src/storage/block-reader.ts'

const SIZE = 200_000
const content = Uint8Array.from({ length: SIZE }, (_, at) => (at * 31) & 255)
const { signal } = new AbortController()

function bench(cacheBytes = 1 << 20) {
  const reads: ByteRange[] = []
  const storage = {
    async read(name: string, range: ByteRange) {
      reads.push(range)
      return name === 'gone' ? undefined : content.slice(range.first, range.last + 1)
    },
  }
  const reader = new BlockReader(cacheBytes)
  const read = (first: number, last: number, name = 'one') =>
    reader.read({ storage, name, sizeBytes: SIZE }, { first, last }, signal)
  return { reads, read }
}

describe('BlockReader', () => {
  it('gives exactly the bytes of any range', async () => {
    const { read } = bench(100_000)
    const borders = [0, 1, 7, 32_767, 32_768, 65_535, 65_536, 65_537, 98_304, 131_071, 131_072, 199_999]
    for (const first of borders) {
      for (const last of borders.filter((border) => border >= first)) {
        expect(Buffer.compare(await read(first, last), content.subarray(first, last + 1)), `${first}-${last}`).toBe(0)
      }
    }
  })

  it('reads a block once for all that is small in it, and what is large as it is', async () => {
    const { reads, read } = bench()
    await Promise.all([read(0, 15), read(8, 23), read(60_000, 60_015)])
    expect(reads).toEqual([{ first: 0, last: 65_535 }])
    await read(65_530, 65_540)
    expect(reads.slice(1)).toEqual([{ first: 65_536, last: 131_071 }])
    await read(199_990, 199_999)
    expect(reads.slice(2)).toEqual([{ first: 196_608, last: 199_999 }])
    await read(10, 100_000)
    expect(reads.slice(3)).toEqual([{ first: 10, last: 100_000 }])
  })

  it('refuses what is not within the blob, and tells of one that is gone', async () => {
    const { reads, read } = bench()
    for (const [first, last] of [
      [0, SIZE],
      [SIZE, SIZE],
      [-1, 5],
      [10, 9],
      [Number.NaN, 5],
    ] as const) {
      await expect(read(first, last)).rejects.toMatchObject({ code: 'BLOB_TRUNCATED' })
    }
    expect(reads).toEqual([])
    await expect(read(0, 10, 'gone')).rejects.toThrow(AppError)
    await expect(read(0, 100_000, 'gone')).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })
})
