import * as fs from 'node:fs'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'cost-')))
const storage = new FilesystemStorage(root, ['ac_1', 'main'])
afterAll(() => rmSync(root, { recursive: true, force: true }))

type Way = () => Promise<unknown>

/** CPU time of a call each way, in turns; the least of it, in µs: what others do at the same time only adds. */
async function leastUs(rounds: number, calls: number, ways: readonly Way[]): Promise<number[]> {
  const all = ways.map((): number[] => [])
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const before = process.cpuUsage()
      for (let call = 0; call < calls; call += 1) await way()
      const { user, system } = process.cpuUsage(before)
      // The first round only warms up.
      if (round >= 0) all[index]?.push((user + system) / calls)
    }
  }
  return all.map((times) => Math.min(...times))
}

/** As little as reading a part of a file takes. */
async function bareRead(path: string, position: number, sizeBytes: number): Promise<Uint8Array> {
  const done = Promise.withResolvers<Uint8Array>()
  fs.open(path, 'r', (_error, descriptor) => {
    const into = Buffer.allocUnsafeSlow(sizeBytes)
    fs.read(descriptor, into, 0, sizeBytes, position, () => fs.close(descriptor, () => done.resolve(into)))
  })
  return done.promise
}

it.each([
  { sizeBytes: 100_000, calls: 40 },
  { sizeBytes: 1_000_000, calls: 10 },
])(
  'reading $sizeBytes bytes costs at most twice what opening, reading and closing a file costs',
  async (given) => {
    const { sizeBytes, calls } = given
    await storage.put('as_1/video/1.cmfs', [Buffer.alloc(8 * sizeBytes, 7)])
    const path = join(root, 'ac_1/main/as_1/video/1.cmfs')
    const range = { first: sizeBytes, last: 2 * sizeBytes - 1 }
    const [floorUs = 1, tookUs = 0] = await leastUs(15, calls, [
      () => bareRead(path, sizeBytes, sizeBytes),
      () => storage.read('as_1/video/1.cmfs', range),
    ])
    console.info(`${sizeBytes} bytes: ${floorUs.toFixed(0)} µs bare, ${tookUs.toFixed(0)} µs read`)
    expect(tookUs / floorUs).toBeLessThanOrEqual(2)
  },
  30_000,
)

it('writing 8 MB costs at most twice what writing and syncing a new file costs', async () => {
  const chunks = Array.from({ length: 16 }, () => Buffer.alloc(500_000, 3))
  const joined = Buffer.concat(chunks)
  const plain: Way = async () => {
    const handle = await open(join(root, 'plain'), 'w')
    await handle.writeFile(joined)
    await handle.sync()
    await handle.close()
    await rm(join(root, 'plain'))
  }
  const put: Way = () => storage.put('as_1/video/2.cmfs', chunks)
  const [floorUs = 1, tookUs = 0] = await leastUs(9, 2, [plain, put])
  console.info(`8 MB: ${floorUs.toFixed(0)} µs plain, ${tookUs.toFixed(0)} µs put`)
  expect(tookUs / floorUs).toBeLessThanOrEqual(2)
}, 60_000)
