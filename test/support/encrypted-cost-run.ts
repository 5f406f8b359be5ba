import { createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import { EncryptedStorage } from '../../src/storage/encrypted-storage.ts'
import { FilesystemStorage } from '../../src/storage/filesystem-storage.ts'

// Run by `encrypted-cost.test.ts` as a process of its own, where nothing else takes memory: prints what reading takes, as JSON.

const BLOB_BYTES = 24_000_000
/** Two seconds of 800 kbit/s to of 16 Mbit/s. */
const SEGMENT_BYTES = [200_000, 500_000, 1_000_000, 2_000_000, 4_000_000]
const RANGES = 8
const ROUNDS = 80

type Read = (range: { first: number; last: number }) => Promise<unknown>

/** The mean over all ranges of the quietest of several rounds, in which the ways to read take turns. In microseconds. */
async function measure(ways: readonly Read[], segmentBytes: number): Promise<number[]> {
  const step = (BLOB_BYTES - segmentBytes) / RANGES
  const firsts = Array.from({ length: RANGES }, (_, index) => Math.floor((index + 0.37) * step))
  const best = ways.map(() => new Array<number>(RANGES).fill(Number.POSITIVE_INFINITY))
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [place, first] of firsts.entries()) {
      for (const [way, read] of ways.entries()) {
        const startMs = systemClock.monotonicMs()
        await read({ first, last: first + segmentBytes - 1 })
        const tookUs = (systemClock.monotonicMs() - startMs) * 1_000
        const row = best[way] ?? []
        row[place] = Math.min(row[place] ?? tookUs, tookUs)
      }
    }
  }
  return best.map((row) => row.reduce((sum, value) => sum + value, 0) / RANGES)
}

const root = await mkdtemp(join(tmpdir(), 'encrypted-cost-'))
try {
  const content = randomBytes(BLOB_BYTES)
  const inner = new FilesystemStorage(root, ['storage'])
  await inner.put('plain', [content])
  const storage = new EncryptedStorage(inner, randomBytes(32))
  await storage.put('sealed', [content])
  const key = createSecretKey(randomBytes(32))
  const nonce = new Uint8Array(12)
  const tag = new Uint8Array(16)
  const bare: Read = async (range) => {
    const bytes = await inner.read('plain', range)
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
    decipher.setAuthTag(tag)
    // All but the comparison of the tag, which would throw: these bytes were never sealed.
    return decipher.update(bytes ?? new Uint8Array(0))
  }
  const sealed: Read = (range) => storage.read('sealed', range)
  const figures: { segmentBytes: number; bareUs: number; sealedUs: number }[] = []
  for (const segmentBytes of SEGMENT_BYTES) {
    const [bareUs = 0, sealedUs = 0] = await measure([bare, sealed], segmentBytes)
    figures.push({ segmentBytes, bareUs, sealedUs })
  }
  process.stdout.write(JSON.stringify(figures))
} finally {
  await rm(root, { recursive: true, force: true })
}
