import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { ControlServer, type TlsMaterial } from '../../src/api/control-server.ts'
import type { WatchTarget } from '../../src/api/ports.ts'
import type { ControlDeps } from '../../src/api/routes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/logger.ts'

type Answer = { status: number; headers: Record<string, string | undefined>; body: string }

let dir: string
let servers: ControlServer[] = []

export function certificate(name: string): TlsMaterial {
  const key = join(dir, `${name}.key`)
  const cert = join(dir, `${name}.crt`)
  const subject = `/CN=${name}`
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'].concat([
      '-subj',
      subject,
      '-keyout',
      key,
      '-out',
      cert,
    ]),
    { stdio: 'ignore' },
  )
  return { key: readFileSync(key), cert: readFileSync(cert) }
}

/** To be called once in each test file: the player's folder, and the end of every server that was opened. */
export function setUp(): void {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'control-'))
    mkdirSync(join(dir, 'player', 'assets'), { recursive: true })
    writeFileSync(join(dir, 'player', 'index.html'), '<!doctype html><title>player</title>')
    writeFileSync(join(dir, 'player', 'assets', 'page-1a2b.js'), 'export const big = 1\n'.repeat(20_000))
    writeFileSync(join(dir, 'player', '.secret'), 'hidden')
    writeFileSync(join(dir, 'outside.txt'), 'outside')
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  afterEach(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    servers = []
  })
}

export const target: WatchTarget = {
  title: 'Main <stage>',
  hlsUrl: { secure: false, port: 8088, path: '/abc/index.m3u8' },
  dashUrl: 'https://cdn.example/abc/index.mpd',
}

type Overrides = Partial<ControlDeps> & { tls?: TlsMaterial; maxConnections?: number }

export async function open({
  tls,
  maxConnections,
  ...deps
}: Overrides = {}): Promise<{ server: ControlServer; port: number }> {
  const server = new ControlServer(
    {
      host: '127.0.0.1',
      port: 0,
      playerDir: join(dir, 'player'),
      ...(tls && { tls }),
      ...(maxConnections !== undefined && { maxConnections }),
    },
    {
      clock: systemClock,
      logger: silentLogger,
      health: { checks: async () => [{ name: 'ffmpeg', ok: true }] },
      metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: async () => 'headend_up 1\n' },
      watch: { current: () => target },
      ...deps,
    },
  )
  servers.push(server)
  return { server, port: (await server.start()).port }
}

export function ask(
  port: number,
  path: string,
  options: { method?: string; host?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...options.headers, ...(options.host !== undefined && { host: options.host }) }
    httpRequest(
      { host: '127.0.0.1', port, path, method: options.method ?? 'GET', agent: false, headers },
      (response) => {
        let body = ''
        response.on('data', (chunk) => (body += chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers as Answer['headers'], body }),
        )
      },
    )
      .on('error', reject)
      .end()
  })
}

export function askHttp2(session: ClientHttp2Session, path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ':method': method })
    let headers: Record<string, string | undefined> = {}
    let body = ''
    stream.setEncoding('utf8')
    stream.on('response', (received) => (headers = received as typeof headers))
    stream.on('data', (chunk) => (body += chunk))
    stream.on('end', () => resolve({ status: Number(headers[':status']), headers, body }))
    stream.on('error', reject)
    stream.end()
  })
}
