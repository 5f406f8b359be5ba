import { once } from 'node:events'
import { Agent } from 'node:http'
import { createServer } from 'node:net'
import type { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, VirtualClock } from '../../../src/lib/clock.ts'
import { type Logger, silentLogger } from '../../../src/lib/logger.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import { PresentationLog } from '../../../src/log/presentation-log.ts'
import { OriginPool } from '../../../src/roles/origin-pool.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { rawRequest } from '../../http/raw-request.ts'
import { until } from '../../support/until.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((part) => part.stop()))
})

/** Every thread that is made in this process, newest last. */
const workers: Worker[] = []
const keep = (worker: Worker) => void workers.push(worker)
beforeAll(() => void process.on('worker', keep))
afterAll(() => void process.off('worker', keep))

/** Takes the newest thread down as an uncaught error would, and waits until it is gone. */
async function crashNewest(): Promise<void> {
  await workers.pop()?.terminate()
}

function makePool(threads: number, port = 0) {
  const memory = new FragmentMemory()
  const directory = new LogDirectory({ memory, clock: systemClock })
  const metrics = new Metrics({ clock: systemClock, build: { version: 'test' } })
  const lines: string[] = []
  const note = (_fields: unknown, message: string) => void lines.push(message)
  const logger = { ...silentLogger, warn: note, error: note, child: () => logger } as unknown as Logger
  const options = {
    threads,
    maxThreads: 3,
    drainMs: 2_000,
    host: '127.0.0.1',
    port,
    ffmpegPath: 'ffmpeg',
    limits: { connections: 100, manifestCacheBytes: 1 << 20, inFlightBytes: 1 << 20 },
    logLevel: 'silent' as const,
    media: {
      ...{ directory: '/nowhere', allowPrivateEndpoints: false, allowServerCredentials: false },
      ...{ cacheBytes: 1 << 20, fileCacheBytes: 1 << 20 },
    },
  }
  const desk = { spooled: async () => undefined, wake: async () => undefined }
  const clock = new VirtualClock()
  const pool = new OriginPool(options, { directory, desk, metrics: metrics.origin, clock, logger, tls: undefined })
  running.push(metrics, pool)
  return { pool, clock, directory, memory, lines }
}

function openLog(directory: LogDirectory, memory: FragmentMemory) {
  const log = new PresentationLog(
    { id: 'p1', epoch: 'e1', targetDurationMs: 2_000, rewindWindowMs: 60_000 },
    { memory, budgetBytes: 1 << 20, retainMs: 60_000 },
  )
  directory.open(log)
  return directory.publish({ locatorId: 'loc-1', manifestName: 'manifest', presentationId: 'p1' })
}

const statusOf = async (url: string) => (await fetch(url, { headers: { connection: 'close' } })).status

describe('OriginPool', () => {
  it('listens with all threads on one port that it finds', async () => {
    const { pool } = makePool(2)
    await pool.start()
    expect(pool.port).toBeGreaterThan(0)
    expect(pool.runningThreads).toBe(2)
    expect(await statusOf(`http://127.0.0.1:${pool.port}/time`)).toBe(200)
  })

  it('replaces a thread that crashed, which knows at once all that was published', async () => {
    const { pool, clock, directory, memory, lines } = makePool(1)
    await pool.start()
    await openLog(directory, memory)
    const { port } = pool
    const known = await statusOf(`http://127.0.0.1:${port}/loc-1/index.m3u8`)
    expect(known).not.toBe(404)
    await crashNewest()
    await until(() => pool.runningThreads === 0)
    await clock.advance(1_000)
    await until(() => lines.includes('origin thread restarted'), 15_000)
    expect(pool.port).toBe(port)
    expect(await statusOf(`http://127.0.0.1:${port}/loc-1/index.m3u8`)).toBe(known)
  }, 30_000)

  it('keeps to the terms of a publication in its threads, and lets go of what is withdrawn before that resolves', async () => {
    const { pool, directory, memory } = makePool(2)
    await pool.start()
    await openLog(directory, memory)
    const at = (locatorId: string) => statusOf(`http://127.0.0.1:${pool.port}/${locatorId}/index.m3u8`)
    const now = systemClock.now()
    const publish = (locatorId: string, terms: object) =>
      directory.publish({ locatorId, manifestName: 'manifest', presentationId: 'p1', ...terms })
    await publish('expired', { notAfterMs: now })
    await publish('to-come', { notBeforeMs: now + 60_000 })
    await publish('others', { allowIp: ['192.0.2.1'] })
    await publish('mine', { notBeforeMs: now - 1, notAfterMs: now + 60_000, allowIp: ['127.0.0.1'] })
    // It has no segment yet; each request is another connection, which any of the threads may take.
    for (let request = 0; request < 10; request++) {
      expect(await Promise.all(['expired', 'to-come', 'others', 'mine'].map(at))).toEqual([404, 404, 403, 412])
    }
    await directory.withdraw('mine')
    for (let request = 0; request < 10; request++) expect(await at('mine')).toBe(404)
  }, 30_000)

  it('grows and shrinks, answering whoever asks meanwhile; a thread that is too many is not replaced', async () => {
    const { pool, clock } = makePool(1)
    await pool.start()
    const at = `http://127.0.0.1:${pool.port}/time`
    await pool.resize(3)
    expect(pool.runningThreads).toBe(3)
    const agents = Array.from({ length: 12 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    const all = async () =>
      (await Promise.all(agents.map((agent) => rawRequest(at, { agent })))).map(({ status }) => status)
    expect(new Set(await all())).toEqual(new Set([200]))
    const shrunk = pool.resize(1)
    for (let round = 0; round < 20; round++) expect(new Set(await all())).toEqual(new Set([200]))
    expect(pool.runningThreads).toBe(1)
    await shrunk
    await clock.advance(60_000)
    expect(pool.runningThreads).toBe(1)
    await pool.resize(9)
    expect(pool.runningThreads).toBe(3)
    expect(new Set(await all())).toEqual(new Set([200]))
    for (const agent of agents) agent.destroy()
  }, 30_000)

  it('goes on answering while one of two is away', async () => {
    const { pool, clock, lines } = makePool(2)
    await pool.start()
    await crashNewest()
    await until(() => pool.runningThreads === 1)
    for (let i = 0; i < 10; i++) expect(await statusOf(`http://127.0.0.1:${pool.port}/time`)).toBe(200)
    await clock.advance(1_000)
    await until(() => lines.includes('origin thread restarted'), 15_000)
    expect(pool.runningThreads).toBe(2)
  }, 30_000)

  it('says when its port is taken, by a stranger or by another pool, and leaves nothing behind', async () => {
    const stranger = createServer().listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const { port } = stranger.address() as { port: number }
    const first = makePool(1, port)
    const inUse = expect.objectContaining({ code: 'ADDRESS_IN_USE', message: expect.stringContaining(`${port}`) })
    await expect(first.pool.start()).rejects.toEqual(inUse)
    expect(first.pool.runningThreads).toBe(0)
    stranger.close()
    await once(stranger, 'close')

    const second = makePool(2, port)
    await second.pool.start()
    await expect(makePool(1, port).pool.start()).rejects.toEqual(inUse)
    await second.pool.stop()
    await makePool(1, port).pool.start()
  }, 30_000)

  it('can be stopped at any time, twice, and does not come back', async () => {
    const { pool, clock } = makePool(2)
    await pool.start()
    await crashNewest()
    await until(() => pool.runningThreads === 1)
    const made = workers.length
    await pool.stop()
    await pool.stop()
    await clock.advance(60_000)
    expect(pool.runningThreads).toBe(0)
    expect(workers).toHaveLength(made)
  }, 30_000)
})
