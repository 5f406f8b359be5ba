import { get as httpGet } from 'node:http'
import { connect } from 'node:http2'
import { get as httpsGet } from 'node:https'
import { connect as tcpConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ControlServer } from '../../src/api/control-server.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { ask, askHttp2, certificate, open, setUp } from './control-harness.ts'

setUp()

describe('over TLS', () => {
  it('speaks HTTP/2: pages, files, HEAD, JSON, problems', async () => {
    const { port } = await open({ tls: certificate('one.test') })
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    try {
      expect(await askHttp2(session, '/player/')).toMatchObject({
        status: 200,
        body: expect.stringContaining('player'),
      })
      const asset = await askHttp2(session, '/player/assets/page-1a2b.js')
      expect(asset.body).toHaveLength(420_000)
      expect(asset.headers['cache-control']).toContain('immutable')
      expect(await askHttp2(session, '/player/', 'HEAD')).toMatchObject({ status: 200, body: '' })
      expect(await askHttp2(session, '/healthz', 'HEAD')).toMatchObject({ status: 200, body: '' })
      expect(JSON.parse((await askHttp2(session, '/readyz')).body)).toMatchObject({ status: 'ready' })
      expect(await askHttp2(session, '/nothing')).toMatchObject({
        status: 404,
        headers: { 'content-type': 'application/problem+json; charset=utf-8' },
      })
      expect((await askHttp2(session, '/player')).headers['location']).toBe('/player/')
      const links = JSON.parse((await askHttp2(session, '/player/default.json')).body)
      expect(links.hlsUrl).toBe('http://127.0.0.1:8088/abc/index.m3u8')
      const many = await Promise.all(Array.from({ length: 50 }, () => askHttp2(session, '/player/assets/page-1a2b.js')))
      expect(many.every((answer) => answer.body.length === 420_000)).toBe(true)
    } finally {
      session.destroy()
    }
  })

  it('speaks HTTP/1.1 to whom that is all they know', async () => {
    const { port } = await open({ tls: certificate('one.test') })
    const status = await new Promise((resolve, reject) => {
      httpsGet({ host: '127.0.0.1', port, path: '/healthz', rejectUnauthorized: false, agent: false }, (response) => {
        response.resume()
        resolve([response.httpVersion, response.statusCode])
      }).on('error', reject)
    })
    expect(status).toEqual(['1.1', 200])
  })

  it('shows a new certificate to new connections', async () => {
    const { server, port } = await open({ tls: certificate('one.test') })
    const subject = () =>
      new Promise((resolve, reject) => {
        const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
          resolve(socket.getPeerCertificate().subject.CN)
          socket.destroy()
        }).on('error', reject)
      })
    expect(await subject()).toBe('one.test')
    server.setTls(certificate('two.test'))
    expect(await subject()).toBe('two.test')
    expect(() => server.setTls({ cert: 'rubbish', key: 'rubbish' })).toThrow(
      expect.objectContaining({ code: 'TLS_UNREADABLE' }),
    )
    expect(await subject()).toBe('two.test')
  })
})

describe('its life', () => {
  it('says so when the port is taken', async () => {
    const { port } = await open()
    const rival = new ControlServer(
      { host: '127.0.0.1', port, playerDir: '.' },
      {
        clock: systemClock,
        logger: silentLogger,
        health: { checks: async () => [] },
        metrics: { contentType: 'text/plain', text: async () => '' },
        watch: { current: () => undefined },
      },
    )
    await expect(rival.start()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  })

  it.each(['plain', 'tls'])('stops, twice if asked, although peers hold their %s connections', async (kind) => {
    const { server, port } = await open(kind === 'tls' ? { tls: certificate('one.test') } : {})
    const socket = tcpConnect(port, '127.0.0.1')
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n')
    await Promise.all([server.stop(), server.stop()])
    await gone
    await expect(ask(port, '/healthz')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('closes connections past its limit as they come', async () => {
    const { port } = await open({ maxConnections: 1 })
    const first = tcpConnect(port, '127.0.0.1')
    await new Promise<void>((resolve) => first.once('connect', () => resolve()))
    await expect(ask(port, '/healthz')).rejects.toThrow()
    first.destroy()
    await new Promise<void>((resolve) => first.once('close', () => resolve()))
    await expect
      .poll(() =>
        ask(port, '/healthz').then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200)
  })

  it('refuses headers past its limit', async () => {
    const { port } = await open()
    const status = await new Promise((resolve, reject) => {
      const headers = { 'x-long': 'x'.repeat(20_000) }
      httpGet({ host: '127.0.0.1', port, path: '/healthz', headers, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      }).on('error', reject)
    })
    expect(status).toBe(431)
  })
})
