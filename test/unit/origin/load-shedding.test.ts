import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { type AppError, messageOf } from '../../../src/lib/errors.ts'
import { type Logger, silentLogger } from '../../../src/lib/logger.ts'
import { LoadShedding } from '../../../src/origin/load-shedding.ts'
import type { RequestKind } from '../../../src/origin/ports.ts'
import { problemOf } from '../../../src/origin/problem.ts'
import { overloaded, type ShedReason, shedReasonOf } from '../../../src/origin/shed-reason.ts'

/** A thread whose turns take as long as is said. */
class BusyClock extends VirtualClock {
  #lateMs = 0

  override monotonicMs(): number {
    return super.monotonicMs() + this.#lateMs
  }

  /** Lets the time pass in looks of 50 ms, each of which comes `delayMs` late. */
  async passBusy(looks: number, delayMs: number): Promise<void> {
    for (let look = 0; look < looks; look++) {
      this.#lateMs += delayMs
      await this.advance(50)
    }
  }
}

const running: LoadShedding[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((shedding) => shedding.stop()))
})

function bench(maxDelayMs = 100) {
  const clock = new BusyClock()
  const shed: ShedReason[] = []
  const lines: { readonly level: string; readonly fields: unknown }[] = []
  const note = (level: string) => (fields: unknown) => void lines.push({ level, fields })
  const logger = { ...silentLogger, warn: note('warn'), info: note('info') } as unknown as Logger
  const shedding = new LoadShedding(maxDelayMs, {
    observer: { shed: (reason) => void shed.push(reason) },
    clock,
    logger,
  })
  shedding.start()
  running.push(shedding)
  return { clock, shedding, shed, lines }
}

function viewer(): IncomingMessage {
  return { socket: {} } as IncomingMessage
}

/** Of ten requests of a kind, how many are let in. */
function admitted(shedding: LoadShedding, who: IncomingMessage, kind: RequestKind, work = false): number {
  let count = 0
  for (let request = 0; request < 10; request++) {
    try {
      const admission = shedding.admit(who, kind)
      if (work) admission?.forWork()
      count++
    } catch (thrown) {
      expect(shedReasonOf(thrown)).toBe('delay')
    }
  }
  return count
}

describe('load shedding', () => {
  it('lets everything in while turns are short, and after one that was long', async () => {
    const { clock, shedding } = bench()
    await clock.passBusy(10, 50)
    await clock.passBusy(1, 900)
    await clock.passBusy(10, 0)
    expect(shedding.pressure).toBe(0)
    expect(shedding.admit(viewer(), 'segment')).toBeUndefined()
  })

  it('refuses the dearest first, newcomers before those who watch, and what is ready last', async () => {
    const { clock, shedding } = bench()
    const watching = viewer()
    shedding.gave(watching, 'segment')
    const all = () => [
      admitted(shedding, viewer(), 'segment', true),
      admitted(shedding, watching, 'segment', true),
      admitted(shedding, viewer(), 'segment'),
      admitted(shedding, watching, 'segment'),
    ]
    const steps: number[][] = []
    for (let step = 0; step < 4; step++) {
      // Four times the limit: pressure rises by one.
      await clock.passBusy(2, 400)
      expect(shedding.pressure).toBe(step + 1)
      steps.push(all())
    }
    expect(steps).toEqual([
      [0, 10, 10, 10],
      [0, 0, 10, 10],
      [0, 0, 0, 10],
      [0, 0, 0, 0],
    ])
  })

  it('refuses a share, and manifests of those who watch with the last; pictures and downloads with the first', async () => {
    const { clock, shedding } = bench()
    await clock.passBusy(3, 199)
    expect(shedding.pressure).toBeCloseTo(0.5, 1)
    expect(admitted(shedding, viewer(), 'segment', true)).toBeGreaterThanOrEqual(5)
    expect(admitted(shedding, viewer(), 'segment', true)).toBeLessThanOrEqual(6)
    expect(admitted(shedding, viewer(), 'download')).toBeLessThanOrEqual(6)
    expect(admitted(shedding, viewer(), 'master')).toBe(10)
    expect(admitted(shedding, viewer(), 'time')).toBe(10)
  })

  it('comes back by and by, and stays where it is between half the limit and the limit', async () => {
    const { clock, shedding } = bench()
    await clock.passBusy(2, 400)
    await clock.passBusy(12, 70)
    expect(shedding.pressure).toBe(1)
    await clock.passBusy(3, 10)
    expect(shedding.pressure).toBeCloseTo(0.85)
    await clock.passBusy(18, 0)
    expect(shedding.pressure).toBeCloseTo(0)
  })

  it('takes nobody for watching who has had nothing for half a minute', async () => {
    const { clock, shedding } = bench()
    const who = viewer()
    shedding.gave(who, 'master')
    expect(shedding.isWatching(who)).toBe(false)
    shedding.gave(who, 'segment')
    expect(shedding.isWatching(who)).toBe(true)
    await clock.advance(30_001)
    expect(shedding.isWatching(who)).toBe(false)
  })

  it('knows who watches over HTTP/2 too, where each request seems to have a socket of its own', async () => {
    const { shedding } = bench()
    const server = createServer()
    const told: boolean[] = []
    server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
      const asked = request as unknown as IncomingMessage
      told.push(shedding.isWatching(asked))
      shedding.gave(asked, 'segment')
      told.push(shedding.isWatching(asked))
      response.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const ask = async (session: ClientHttp2Session) => {
      const stream = session.request({ ':path': '/' }).resume()
      await once(stream, 'close')
    }
    const [one, other] = [connect(`http://127.0.0.1:${port}`), connect(`http://127.0.0.1:${port}`)]
    await ask(one)
    await ask(one)
    await ask(other)
    expect(told).toEqual([false, true, true, true, false, true])
    const closed = [one, other].map((session) => once(session, 'close'))
    one.close()
    other.close()
    await Promise.all(closed)
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  it('measures nothing where no limit is set', async () => {
    const { clock, shedding } = bench(0)
    await clock.passBusy(10, 5_000)
    expect(shedding.admit(viewer(), 'thumbnail')).toBeUndefined()
  })

  it('tells the log when it begins and when it has ended, and counts in between', async () => {
    const { clock, shedding, shed, lines } = bench()
    for (const reason of ['delay', 'bytes', 'delay'] as const) shedding.refused(reason)
    expect(lines).toEqual([{ level: 'warn', fields: { reason: 'delay' } }])
    await clock.advance(9_000)
    shedding.refused('bytes')
    await clock.advance(9_000)
    expect(lines).toHaveLength(1)
    await clock.advance(2_000)
    expect(lines[1]).toEqual({ level: 'info', fields: { refused: { delay: 2, bytes: 2 } } })
    expect(shed).toEqual(['delay', 'bytes', 'delay', 'bytes'])
    shedding.refused('waiting')
    expect(lines[2]).toEqual({ level: 'warn', fields: { reason: 'waiting' } })
  })

  it('says after how long to try again, the longer the harder it is pressed', async () => {
    const { clock, shedding } = bench()
    await clock.passBusy(6, 400)
    let refusal: unknown
    try {
      shedding.admit(viewer(), 'master')
    } catch (thrown) {
      refusal = thrown
    }
    expect((refusal as AppError).code).toBe('ORIGIN_BUSY')
    expect(problemOf(refusal)).toMatchObject({ status: 503, retryAfterSeconds: 4 })
    expect(problemOf(overloaded('bytes', 'No room.'))).toMatchObject({ status: 503, retryAfterSeconds: 1 })
    expect(messageOf(refusal)).toContain('try again')
  })
})
