import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { parseMasterPlaylist, until } from '../support/playlist.ts'

const folder = temporaryFolder()
const certFile = join(folder, 'cert.pem')
const keyFile = join(folder, 'key.pem')
let headend: Headend

/** A self-signed certificate of that name, moved into place as renewal tools do. */
function certify(name: string): void {
  const made = { cert: join(folder, `${name}.cert`), key: join(folder, `${name}.key`) }
  const args = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', made.key, '-out', made.cert],
  ]
  execFileSync('openssl', args, { stdio: 'pipe' })
  renameSync(made.key, keyFile)
  renameSync(made.cert, certFile)
}

type Heard = { readonly status: number; readonly version: string; readonly text: string }

/** One request over HTTP/1.1, on a connection of its own. */
async function getHttp1(url: string): Promise<Heard> {
  const call = request(url, { rejectUnauthorized: false, agent: false })
  call.end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  const chunks = await response.toArray()
  return {
    status: response.statusCode ?? 0,
    version: response.httpVersion,
    text: Buffer.concat(chunks).toString(),
  }
}

/** Several requests at once over one HTTP/2 connection. */
async function getHttp2(origin: string, paths: readonly string[]): Promise<Heard[]> {
  const session = connectHttp2(origin, { rejectUnauthorized: false })
  try {
    return await Promise.all(
      paths.map(async (path) => {
        const stream = session.request({ ':path': path })
        const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
        const chunks = await stream.toArray()
        return { status: Number(headers[':status']), version: '2.0', text: Buffer.concat(chunks).toString() }
      }),
    )
  } finally {
    session.destroy()
  }
}

/** The name in the certificate that a listener shows to a new connection. */
async function nameShown(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

const urls = () => [headend.quickstart.controlUrl, headend.quickstart.streamingUrl, headend.quickstart.rtmpsUrl ?? '']
const portsOf = () => urls().map((url) => Number(new URL(url).port))
const namesShown = () => Promise.all(portsOf().map(nameShown))

beforeAll(async () => {
  certify('first.test')
  headend = await startHeadend({ config: { tls: { certFile, keyFile }, ingest: { handshakeTimeout: '3s' } } })
})

afterAll(async () => {
  expect(await headend.stop()).toBe(0)
  rmSync(folder, { recursive: true, force: true })
})

describe('with a certificate', () => {
  it('says so in its addresses', () => {
    const { controlUrl, streamingUrl, rtmpUrl, rtmpsUrl, hlsUrl, dashUrl, playerUrl } = headend.quickstart
    for (const url of [controlUrl, streamingUrl, hlsUrl, dashUrl, playerUrl]) expect(url).toMatch(/^https:/)
    expect(rtmpUrl).toMatch(/^rtmp:/)
    expect(rtmpsUrl).toMatch(/^rtmps:/)
    expect(headend.output()).not.toContain(readFileSync(keyFile, 'utf8').split('\n')[1])
  })

  it('takes a publish by rtmps from ffmpeg, and serves it by HTTP/2 and HTTP/1.1', async () => {
    const { rtmpsUrl, streamKey, hlsUrl, streamingUrl } = headend.quickstart
    const encoder = publish(`${rtmpsUrl}/${streamKey}`, { size: '160x90' })
    const path = new URL(hlsUrl).pathname
    const master = await until(
      'the master playlist',
      30_000,
      async () => (await getHttp2(streamingUrl, [path]))[0] as Heard,
      ({ status }) => status === 200,
    )
    const variant = parseMasterPlaylist(master.text, hlsUrl).variants[0]?.url ?? ''
    const media = await until(
      'a segment',
      30_000,
      () => getHttp1(variant),
      ({ text }) => text.includes('#EXTINF'),
    )
    expect(media).toMatchObject({ status: 200, version: '1.1' })
    const lines = media.text.split('\n')
    const uri = lines[lines.findIndex((line) => line.startsWith('#EXTINF')) + 1] ?? ''
    const { pathname } = new URL(uri, variant)
    const answers = await getHttp2(streamingUrl, [path, new URL(variant).pathname, pathname, '/nothing/here'])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404])
    expect(answers[2]?.text.length).toBeGreaterThan(1_000)
    expect((await getHttp1(new URL(pathname, streamingUrl).href)).text).toBe(answers[2]?.text)
    expect((await encoder.stop()).stderr).not.toMatch(/error/i)
    expect(headend.lines().filter(({ msg }) => msg === 'publish started')).toMatchObject([{ protocol: 'rtmps' }])
  })

  it('answers on the control listener by both as well', async () => {
    const { controlUrl } = headend.quickstart
    const [health, landing] = await getHttp2(controlUrl, ['/healthz', '/'])
    expect([health?.status, landing?.status]).toEqual([200, 200])
    expect(landing?.text).toContain('https://')
    expect(await getHttp1(`${controlUrl}/readyz`)).toMatchObject({ status: 200, version: '1.1' })
  })

  it('hangs up on what is no TLS, and names it', async () => {
    const port = portsOf()[2] ?? 0
    const plain = connect(port, '127.0.0.1')
    plain.on('error', () => undefined)
    plain.resume()
    plain.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]))
    await once(plain, 'close')
    const offences = await until(
      'the offence',
      10_000,
      async () => headend.lines().filter(({ msg }) => msg === 'rtmp offence'),
      (lines) => lines.length > 0,
    )
    expect(offences).toMatchObject([{ level: 'warn', offence: 'handshake', protocol: 'rtmps' }])
    // One that says nothing at all is shut out by the time-out of the handshake.
    const mute = connect(port, '127.0.0.1')
    mute.on('error', () => undefined)
    mute.resume()
    await once(mute, 'close')
    expect(await nameShown(port)).toBe('first.test')
  })

  it('shows a replaced certificate to new connections at all listeners, without a restart', async () => {
    expect(await namesShown()).toEqual(['first.test', 'first.test', 'first.test'])
    const session = connectHttp2(headend.quickstart.streamingUrl, { rejectUnauthorized: false })
    await once(session, 'connect')
    certify('second.test')
    await until('the new certificate', 20_000, namesShown, (names) => names.every((name) => name === 'second.test'))
    // Who was connected stays so.
    const stream = session.request({ ':path': '/time' })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(headers[':status']).toBe(200)
    session.destroy()
    expect(headend.lines().filter(({ msg }) => msg === 'certificate reloaded')).toHaveLength(1)
  })

  it('keeps the old certificate while the new one is broken, says so, and takes the next good one', async () => {
    const before = await namesShown()
    writeFileSync(certFile, 'this is no certificate')
    const errors = await until(
      'the complaint',
      20_000,
      async () => headend.lines().filter(({ level }) => level === 'error'),
      (lines) => lines.length > 0,
    )
    expect(errors).toHaveLength(1)
    expect(errors[0]?.msg).toBe('certificate not reloaded; the one before stays in use')
    expect(await namesShown()).toEqual(before)
    // A pair that doesn't fit together is as broken.
    const stranger = join(folder, 'stranger.key')
    execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', stranger])
    renameSync(stranger, keyFile)
    certify('third.test')
    await until('the third certificate', 20_000, namesShown, (names) => names.every((name) => name === 'third.test'))
  })
})
