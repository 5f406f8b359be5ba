import { connect, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import { OriginPool } from '../../../src/roles/origin-pool.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { until } from '../../support/until.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const part of running.splice(0).reverse()) await part.stop()
})

async function startPool(maxDelayMs: number) {
  const metrics = new Metrics({ clock: systemClock, build: { version: 'test' } })
  const directory = new LogDirectory({ memory: new FragmentMemory(), clock: systemClock })
  const options = {
    ...{ threads: 1, host: '127.0.0.1', port: 0, ffmpegPath: 'ffmpeg', logLevel: 'silent' as const, drainMs: 1_000 },
    limits: { maxDelayMs },
    media: {
      ...{ directory: '/nowhere', allowPrivateEndpoints: false, allowServerCredentials: false },
      ...{ cacheBytes: 1 << 20, fileCacheBytes: 1 << 20 },
    },
  }
  const desk = { spooled: async () => undefined, wake: async () => undefined }
  const ports = { directory, desk, metrics: metrics.origin, clock: systemClock, logger: silentLogger, tls: undefined }
  const pool = new OriginPool(options, ports)
  running.push(metrics, pool)
  await pool.start()
  return { pool, metrics }
}

const PIPELINED = 400
/** Pressure is gone within a second or two; each answer takes a millisecond. */
const MAX_ASKED = 20_000
const REQUEST = 'GET /4ba2a2b5-0000-4000-8000-000000000000/index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n'
const STATUS = /HTTP\/1\.1 (\d{3})/g

/** Asks without waiting for answers, as many as the server takes; counts what is answered. */
class Crowd {
  readonly statuses = new Map<string, number>()
  readonly retryAfter = new Set<string>()
  isOver = false
  answered = 0
  readonly #sockets: Socket[]

  constructor(port: number, connections: number) {
    this.#sockets = Array.from({ length: connections }, () => this.#open(port))
  }

  async end(): Promise<void> {
    this.isOver = true
    await Promise.all(
      this.#sockets.map((socket) => {
        const closed = new Promise((resolve) => socket.once('close', resolve))
        socket.destroy()
        return closed
      }),
    )
  }

  #open(port: number): Socket {
    const socket = connect(port, '127.0.0.1')
    let left = 0
    const ask = () => {
      left += PIPELINED
      socket.write(REQUEST.repeat(PIPELINED))
    }
    socket.once('connect', ask)
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      for (const [, status = ''] of text.matchAll(STATUS)) {
        this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
        this.answered++
        left--
      }
      for (const [, seconds = ''] of text.matchAll(/Retry-After: (\d+)/g)) this.retryAfter.add(seconds)
      if (left <= PIPELINED / 2 && !this.isOver) ask()
    })
    return socket
  }
}

it('an origin thread that has more to do than it can answers 503 with Retry-After at once, and everything again when that is over', async () => {
  const { pool, metrics } = await startPool(15)
  const crowd = new Crowd(pool.port, 16)
  try {
    await until(() => (crowd.statuses.get('503') ?? 0) > 200, 15_000)
  } finally {
    await crowd.end()
  }
  expect(crowd.statuses.get('404')).toBeGreaterThan(0)
  expect([...crowd.statuses.keys()].sort()).toEqual(['404', '503'])
  expect(crowd.retryAfter.size).toBeGreaterThan(0)
  const statusOf = async () => {
    const response = await fetch(`http://127.0.0.1:${pool.port}/4ba2a2b5-0000-4000-8000-000000000000/index.m3u8`)
    return response.status
  }
  const statuses: number[] = []
  while (statuses.at(-1) !== 404 && statuses.length < MAX_ASKED) statuses.push(await statusOf())
  expect(new Set([...statuses, 503])).toEqual(new Set([404, 503]))
  await pool.stop()
  expect(await metrics.text()).toMatch(/headend_origin_shed_total\{reason="delay"\} [1-9]/)
}, 30_000)
