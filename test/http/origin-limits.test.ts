import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as requestTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/until.ts'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function origin(
  live: FakeLive,
  ...rest: [Parameters<typeof startOrigin>[1]?, Parameters<typeof startOrigin>[2]?]
) {
  const started = await startOrigin(live, ...rest)
  running.push(started.server)
  return started
}

function liveWith(segments: number, fragmentBytes?: number): FakeLive {
  return new FakeLive().addTracks().addSegments(segments, fragmentBytes)
}

const segmentPath = `/loc-1/stream.ism/QualityLevels(2500000)/Fragments(video=${START_SECONDS * 90_000},format=m3u8-cmaf)`

/** Everything the server says until it ends the connection. */
function untilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

describe('limits', () => {
  it('cuts a request head that dawdles and a connection that says nothing', async () => {
    const { port, base } = await origin(liveWith(2), { limits: { headersTimeoutMs: 300, requestTimeoutMs: 300 } })
    const slow = connect(port, '127.0.0.1')
    slow.write('GET /loc-1/index.m3u8 HTTP/1.1\r\nHost: a\r\n')
    const silent = connect(port, '127.0.0.1')
    const [said] = await Promise.all([untilClosed(slow), untilClosed(silent)])
    expect(said).toMatch(/^HTTP\/1\.1 408 /)
    expect(said).toContain('application/problem+json')
    expect((await rawRequest(`${base}/loc-1/index.m3u8`)).status).toBe(200)
  })

  it('refuses what is not HTTP, and heads past 16 KB', async () => {
    const { port } = await origin(liveWith(2))
    const noise = connect(port, '127.0.0.1')
    noise.write('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n')
    expect(await untilClosed(noise)).toMatch(/^HTTP\/1\.1 400 /)
    const large = connect(port, '127.0.0.1')
    large.write(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)
    expect(await untilClosed(large)).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('answers 503 past the bytes in flight, cuts who reads too slowly, and counts it', async () => {
    const live = liveWith(1, 6_000_000)
    const limits = { inFlightBytes: 15_000_000, sendGraceMs: 700, minBytesPerSecond: 1e9, stopGraceMs: 500 }
    const { port, base } = await origin(live, { limits })
    const stuck = connect(port, '127.0.0.1')
    stuck.write(`GET ${segmentPath} HTTP/1.1\r\nHost: a\r\n\r\n`)
    stuck.pause()
    stuck.on('error', () => undefined)
    await until(() => live.signals.length === 1)
    const refused = await rawRequest(base + segmentPath)
    expect(refused.status).toBe(503)
    expect(refused.headers['retry-after']).toBe('1')
    expect(JSON.parse(refused.body.toString()).type).toBe('urn:headend:problem:origin-busy')
    expect((await rawRequest(`${base}/loc-1/index.m3u8`)).status).toBe(200)
    await until(() => live.requests.some(({ status }) => status === 499))
    expect(live.signals[0]?.aborted).toBe(true)
    const served = await rawRequest(base + segmentPath)
    expect(served.body.equals(live.joined(0, 0))).toBe(true)
    stuck.destroy()
  })

  it('lets go of the bytes of a client that disconnects', async () => {
    const live = liveWith(1, 6_000_000)
    const { port, base } = await origin(live, { limits: { inFlightBytes: 13_000_000 } })
    for (let round = 0; round < 3; round++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(`GET ${segmentPath} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await new Promise((resolve) => socket.once('data', resolve))
      socket.destroy()
      await until(() => live.requests.filter(({ status }) => status === 499).length === round + 1)
    }
    expect((await rawRequest(base + segmentPath)).status).toBe(200)
  })

  it('takes no more connections than it may', async () => {
    const { port } = await origin(liveWith(1), { limits: { connections: 2 } })
    const kept = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    await Promise.all(kept.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    expect(await untilClosed(connect(port, '127.0.0.1'))).toBe('')
    for (const socket of kept) socket.destroy()
  })

  it('finishes what runs, ends idle connections and gives the port back when it stops', async () => {
    const live = liveWith(1, 6_000_000)
    const { port, base, server } = await origin(live)
    const agent = new Agent({ keepAlive: true })
    await rawRequest(`${base}/time`, { agent })
    const answer = new Promise<Buffer>((resolve, reject) => {
      const outgoing = request(base + segmentPath, { agent: false }, (incoming) => {
        const stopped = server.stop()
        const chunks: Buffer[] = []
        setTimeout(() => {
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.on('end', () => resolve(stopped.then(() => Buffer.concat(chunks))))
        }, 100)
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
    const startedMs = Date.now()
    expect((await answer).equals(live.joined(0, 0))).toBe(true)
    expect(Date.now() - startedMs).toBeLessThan(3_000)
    await expect(rawRequest(`${base}/time`)).rejects.toThrow(/ECONNREFUSED/)
    const next = await origin(live, { port })
    expect(next.port).toBe(port)
    agent.destroy()
  })

  it('cuts what does not finish in the grace', async () => {
    const live = liveWith(1, 6_000_000)
    const { port, server } = await origin(live, { limits: { stopGraceMs: 100 } })
    const stuck = connect(port, '127.0.0.1')
    stuck.write(`GET ${segmentPath} HTTP/1.1\r\nHost: a\r\n\r\n`)
    stuck.pause()
    stuck.on('error', () => undefined)
    await until(() => live.signals.length === 1)
    const startedMs = Date.now()
    await server.stop()
    expect(Date.now() - startedMs).toBeLessThan(2_000)
    await until(() => live.signals[0]?.aborted === true)
    stuck.destroy()
  })

  it('says ADDRESS_IN_USE', async () => {
    const { port } = await origin(liveWith(1))
    await expect(startOrigin(liveWith(1), { port })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  })
})

describe('with a certificate', () => {
  let folder = ''
  let tls = { cert: '', key: '' }
  let other = { cert: '', key: '' }
  const makeCertificate = (name: string) => {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
    const subject = ['-subj', `/CN=${name}`, '-days', '2', '-nodes']
    const type = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    execFileSync('openssl', ['req', '-x509', ...type, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  }
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'origin-tls-'))
    tls = makeCertificate('one')
    other = makeCertificate('two')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function http2Get(base: string, path: string, headers: Record<string, string> = {}) {
    const session = connectHttp2(base, { rejectUnauthorized: false })
    return new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      session.on('error', reject)
      const stream = session.request({ ':path': path, ...headers })
      let answered: Record<string, unknown> = {}
      const chunks: Buffer[] = []
      stream.on('response', (found) => {
        answered = found
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      stream.on('end', () => resolve({ headers: answered, body: Buffer.concat(chunks) }))
    }).finally(() => session.close())
  }

  it('speaks HTTP/2 and HTTP/1.1, with the same bytes', async () => {
    const live = liveWith(2, 300_000)
    const { base } = await origin(live, { tls })
    const segment = await http2Get(base, segmentPath)
    expect(segment.headers[':status']).toBe(200)
    expect(segment.body.equals(live.joined(0, 0))).toBe(true)
    const part = await http2Get(base, segmentPath, { range: 'bytes=299990-300010' })
    expect(part.body.equals(live.joined(0, 0).subarray(299_990, 300_011))).toBe(true)
    const master = await http2Get(base, '/loc-1/index.m3u8', { 'accept-encoding': 'gzip' })
    expect(master.headers).toMatchObject({ ':status': 200, 'content-encoding': 'gzip', 'timing-allow-origin': '*' })
    expect((await http2Get(base, '/nothing')).headers[':status']).toBe(404)
    const overHttp1 = await new Promise<Buffer>((resolve, reject) => {
      requestTls(base + segmentPath, { rejectUnauthorized: false, agent: false }, (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () => resolve(Buffer.concat(chunks)))
      })
        .on('error', reject)
        .end()
    })
    expect(overHttp1.equals(live.joined(0, 0))).toBe(true)
    await until(() => live.requests.length === 5)
    expect(live.requests.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 200, 206, 404])
  })

  it('takes a new certificate while it runs, and refuses a broken one', async () => {
    const { port, server } = await origin(liveWith(1), { tls })
    const subject = () =>
      new Promise<string>((resolve, reject) => {
        const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(String(socket.getPeerCertificate().subject['CN']))
          socket.destroy()
        })
        socket.on('error', reject)
      })
    expect(await subject()).toBe('one')
    server.setTls(other)
    expect(await subject()).toBe('two')
    expect(() => server.setTls({ cert: 'nonsense', key: 'nonsense' })).toThrow(
      expect.objectContaining({ code: 'TLS_UNREADABLE' }),
    )
    expect(await subject()).toBe('two')
    await expect(startOrigin(liveWith(1), { tls: { cert: 'x', key: 'y' } })).rejects.toMatchObject({
      code: 'TLS_UNREADABLE',
    })
  })

  it('cuts slow heads, and who does not agree on TLS in time', async () => {
    const { port } = await origin(liveWith(1), { tls, limits: { headersTimeoutMs: 500, requestTimeoutMs: 500 } })
    const slow = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      slow.write('GET /loc-1/index.m3u8 HTTP/1.1\r\nHost: a\r\n')
    })
    // Left open, it could still agree on HTTP/2: Node aborts the process if something was written to it before.
    const said = await Promise.all([slow, connect(port, '127.0.0.1')].map(untilClosed))
    expect(said).toEqual([expect.stringMatching(/^HTTP\/1\.1 408 /), ''])
  })

  it('cuts a stream whose window stays shut', async () => {
    const live = liveWith(1, 2_000_000)
    const { base } = await origin(live, { tls, limits: { sendGraceMs: 500, minBytesPerSecond: 1e9 } })
    const session = connectHttp2(base, { rejectUnauthorized: false, settings: { initialWindowSize: 0 } })
    const stream = session.request({ ':path': segmentPath })
    stream.on('error', () => undefined)
    await new Promise((resolve) => stream.once('close', resolve))
    await until(() => live.requests.some(({ status }) => status === 499))
    const stuck = session.request({ ':path': segmentPath })
    stuck.on('error', () => undefined)
    await until(() => live.signals.length === 2)
    session.destroy()
    await until(() => live.signals[1]?.aborted === true)
  })

  it('counts what a range keeps in memory, not what it sends', async () => {
    const { base } = await origin(liveWith(1, 2_000_000), { tls, limits: { inFlightBytes: 3_000_000 } })
    const session = connectHttp2(base, { rejectUnauthorized: false, settings: { initialWindowSize: 0 } })
    const ask = async () => {
      const stream = session.request({ ':path': segmentPath, range: 'bytes=0-0' })
      stream.on('error', () => undefined)
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      return headers[':status']
    }
    expect([await ask(), await ask()]).toEqual([206, 503])
    session.destroy()
  })

  it('ends HTTP/2 sessions when it stops', async () => {
    const { base, server } = await origin(liveWith(1), { tls })
    const session = connectHttp2(base, { rejectUnauthorized: false })
    await new Promise((resolve) => session.once('connect', resolve))
    const closed = new Promise((resolve) => session.once('close', resolve))
    const startedMs = Date.now()
    await Promise.all([server.stop(), closed])
    expect(Date.now() - startedMs).toBeLessThan(3_000)
  })
})
