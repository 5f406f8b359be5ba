import { once } from 'node:events'
import { connect } from 'node:http2'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { describe, expect, it, vi } from 'vitest'
import { restRouter } from '../../src/api/rest/rest-router.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { startApi, stopApisAfterEach } from './api-harness.ts'
import { certificate, open, setUp } from './control-harness.ts'

setUp()
stopApisAfterEach()
vi.setConfig({ testTimeout: 30_000 })

type Heads = Readonly<Record<string, string>>
type Answer = { readonly status: number; readonly cookie: string | undefined; readonly text: string }
type Ask = (method: string, path: string, headers: Heads, body?: string) => Promise<Answer>

function overHttp1(port: number): Ask {
  return async (method, path, headers, body) => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false, agent: false })
    asked.end(body)
    const [response] = await once(asked, 'response')
    const cookie = response.headers['set-cookie']?.[0]
    return { status: response.statusCode, cookie, text: await text(response) }
  }
}

function overHttp2(port: number): Ask {
  return async (method, path, headers, body) => {
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    const stream = session.request({ ':method': method, ':path': path, ...headers })
    stream.end(body)
    const [head] = await once(stream, 'response')
    const answer = { status: Number(head[':status']), cookie: head['set-cookie']?.[0], text: await text(stream) }
    await new Promise<void>((resolve) => session.close(resolve))
    return answer
  }
}

describe('a browser session over TLS', () => {
  it.each([
    ['HTTP/1.1', overHttp1],
    ['HTTP/2', overHttp2],
  ])('has a cookie that never goes in the clear: %s', async (_name, over) => {
    const api = await startApi()
    const observer = { served: () => undefined }
    const deps = { clock: systemClock, logger: silentLogger, store: api.store, callers: api.auth.callers, observer }
    const { port } = await open({ tls: certificate('localhost'), routers: [restRouter(api.routes, deps)] })
    const ask = over(port)
    const json = { 'content-type': 'application/json' }
    const made = await ask('POST', '/v1/session', json, JSON.stringify({ apiKey: await api.newKey('admin') }))
    expect(made).toMatchObject({ status: 201, cookie: expect.stringMatching(/^__Secure-headend-session=.*; Secure$/) })
    const cookie = made.cookie!.split(';')[0]!
    expect(await ask('GET', '/v1/session', { cookie })).toMatchObject({ status: 200 })
    const create = (origin: string, name: string) =>
      ask('POST', '/v1/channels', { ...json, cookie, origin }, JSON.stringify({ name }))
    expect((await create(`https://127.0.0.1:${port}`, 'one')).status).toBe(201)
    expect((await create(`http://127.0.0.1:${port}`, 'two')).status).toBe(403)
    const planted = cookie.replace('__Secure-', '')
    expect((await ask('GET', '/v1/session', { cookie: planted })).status).toBe(401)
    const out = await ask('DELETE', '/v1/session', { cookie, origin: `https://127.0.0.1:${port}` })
    expect(out).toMatchObject({ status: 204, cookie: expect.stringMatching(/^__Secure-headend-session=;/) })
    expect((await ask('GET', '/v1/session', { cookie })).status).toBe(401)
  })
})
