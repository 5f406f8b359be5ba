import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/lib/clock.ts'
import { certificate } from '../support/certificate.ts'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

const segmentPath = `/loc-1/stream.ism/QualityLevels(2500000)/Fragments(video=${START_SECONDS * 90_000},format=m3u8-cmaf)`

async function origin(...[options, ports]: [Parameters<typeof startOrigin>[1]?, Parameters<typeof startOrigin>[2]?]) {
  const live = new FakeLive().addTracks().addSegments(1, 3_000_000)
  const started = await startOrigin(live, options, ports)
  running.push(started.server)
  return { ...started, live }
}

function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  running.push({ stop: async () => agent.destroy() })
  return agent
}

describe('draining', () => {
  it('answers once more on each connection, ends it with that, and takes no new ones', async () => {
    const { base, port, server } = await origin()
    const agents = [keepAlive(), keepAlive(), keepAlive()]
    for (const agent of agents) await rawRequest(`${base}/time`, { agent })
    const drained = server.drain(60_000)
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))))
    const refused = connect(port, '127.0.0.1')
    expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
    for (const agent of agents) {
      const answer = await rawRequest(base + segmentPath, { agent })
      expect(answer).toMatchObject({ status: 200, headers: { connection: 'close' } })
      expect(answer.body.byteLength).toBe(6_000_001)
    }
    await drained
  })

  it('lets an answer that is under way end, and whoever asks for nothing go when the time is over', async () => {
    const clock = new VirtualClock()
    const { base, server } = await origin({}, { clock })
    const idle = keepAlive()
    await rawRequest(`${base}/time`, { agent: idle })
    const answer = new Promise<number>((resolve, reject) => {
      const outgoing = request(base + segmentPath, { agent: false }, (incoming) => {
        let bytes = 0
        drained = server.drain(5_000)
        incoming.on('data', (chunk: Buffer) => {
          bytes += chunk.byteLength
        })
        incoming.once('error', reject)
        incoming.once('end', () => resolve(bytes))
      })
      outgoing.once('error', reject)
      outgoing.end()
    })
    let drained: Promise<void> | undefined
    let isOver = false
    expect(await answer).toBe(6_000_001)
    void drained?.then(() => {
      isOver = true
    })
    await clock.advance(4_999)
    expect(isOver).toBe(false)
    await clock.advance(1)
    await drained
  })

  it('tells HTTP/2 to go away and answers what has been asked', async () => {
    const { base, server } = await origin({ tls: certificate('localhost') })
    const session = connectHttp2(base, { rejectUnauthorized: false })
    session.on('error', () => undefined)
    const goneAway = once(session, 'goaway')
    const stream = session.request({ ':path': segmentPath })
    await once(stream, 'response')
    const drained = server.drain(60_000)
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength
    })
    await once(stream, 'end')
    expect(bytes).toBe(6_000_001)
    expect((await goneAway)[0]).toBe(0)
    await drained
  })

  it('is cut short by a stop', async () => {
    const { base, server } = await origin()
    await rawRequest(`${base}/time`, { agent: keepAlive() })
    const drained = server.drain(3_600_000)
    await server.stop()
    await drained
  })
})
