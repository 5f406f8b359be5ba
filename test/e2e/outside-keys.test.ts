import { createPrivateKey, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importPKCS8, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { playReadyKid, widevineChallenge } from '../support/challenges.ts'
import { ffmpeg } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { startLicenceServer } from '../support/licence-server.ts'
import { opensslPair } from '../support/openssl-keys.ts'
import { spekeKeyOf, spekePlayReadyObjectOf, spekePsshOf, startSpekeServer } from '../support/speke-server.ts'

const recipient = opensslPair('rsa')
const signer = opensslPair('rsa')
const masterKey = randomBytes(32).toString('base64')
const password = 'the password for the key provider'
const made: string[] = []
/** What it answered, but for what was asked for. */
const served: string[] = []
const reports = temporaryFolder()
/** Lets the process die by an error that nobody catches. */
const CRASH = `data:text/javascript,${encodeURIComponent("process.once('SIGHUP', () => { throw new Error('nobody catches this') })")}`
let speke: Awaited<ReturnType<typeof startSpekeServer>>
let licences: Awaited<ReturnType<typeof startLicenceServer>>
let node: Headend
let accountId: string

beforeAll(async () => {
  speke = await startSpekeServer()
  licences = await startLicenceServer()
  const folder = temporaryFolder()
  const [certificate, privateKey] = [join(folder, 'speke.crt'), join(folder, 'speke.key')]
  writeFileSync(certificate, recipient.certificate)
  writeFileSync(privateKey, recipient.privateKey)
  const service = { url: speke.url, username: 'headend', certificate, privateKey, allowPrivate: true }
  node = await startHeadend({
    config: {
      storage: { masterKeys: [{ id: 'first', environment: 'MASTER_KEY_OF_THE_TEST' }] },
      keys: {
        provider: { speke: service },
        allowPrivateLicenceServers: true,
        publicUrl: 'https://keys.example.com/cdn/',
      },
      origin: { trustedProxies: ['127.0.0.0/8', '::1'] },
      logLevel: 'trace',
    },
    env: { MASTER_KEY_OF_THE_TEST: masterKey, HEADEND__KEYS__PROVIDER__SPEKE__PASSWORD: password },
    nodeArgs: ['--report-uncaught-exception', `--report-directory=${reports}`, '--import', CRASH],
  })
  accountId = (await api('GET', '/v1/accounts')).items[0].id
}, 30_000)

afterAll(async () => {
  await node?.stop()
  await speke?.stop()
  await licences?.stop()
})

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
async function api(method: string, path: string, body?: object): Promise<any> {
  const answer = await fetch(`${node.quickstart.controlUrl}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${node.quickstart.apiKey}`,
      ...(accountId && { 'Headend-Account': accountId }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  expect(answer.ok, text).toBe(true)
  return text === '' ? undefined : JSON.parse(text)
}

async function ask(path: string, headers: Record<string, string> = {}, body?: string | Uint8Array<ArrayBuffer>) {
  const answer = await fetch(`${node.quickstart.streamingUrl}${path}`, {
    headers,
    ...(body && { method: 'POST', body }),
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200 || !path.startsWith('/keys/')) served.push(bytes.toString('latin1'))
  const isProblem = answer.headers.get('content-type')?.includes('problem')
  return { status: answer.status, bytes, reason: isProblem ? JSON.parse(bytes.toString()).reason : undefined }
}

const open = { kind: 'open' }
const WIDEVINE_FORMAT = 'urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed'

describe('keys and licences from outside', () => {
  it('keeps the keys that a SPEKE provider gives, with what players are to be told of them', async () => {
    const policy = await api('POST', '/v1/key-authorization-policies', {
      name: 'open',
      options: [{ delivery: 'aes128', restriction: open }],
    })
    const body = { kind: 'cbcs', contentId: 'film-7', intendedTracks: ['video'], keyAuthorizationPolicyId: policy.id }
    const key = await api('POST', '/v1/content-keys', body)
    const [widevine] = key.signalling
    expect(Buffer.from(widevine.pssh, 'base64')).toEqual(spekePsshOf(key.id))
    expect(JSON.stringify(key)).not.toContain(spekeKeyOf(key.id).toString('base64'))
    expect((await ask(`/keys/aes128/${key.id}`)).bytes).toEqual(spekeKeyOf(key.id))
    expect(speke.seen.at(-1)?.text).toContain('contentId="film-7"')
    made.push(key.id)
  })

  it('gives the keys of periods as the provider has them, of those that a policy knows', async () => {
    const { items } = await api('GET', '/v1/key-authorization-policies')
    const body = { kind: 'cbcs', rotating: true, keyAuthorizationPolicyId: items[0].id }
    const key = await api('POST', '/v1/content-keys', body)
    expect(key.source).toBe('provider')
    const policy = await api('POST', '/v1/delivery-policies', {
      name: 'rotating',
      protocols: { hls: ['cbcs'] },
      keyRotationPeriod: 'PT1M',
    })
    await api('POST', '/v1/assets', {
      name: 'rotated',
      deliveryPolicyId: policy.id,
      contentKeys: [{ contentKeyId: key.id }],
    })
    const period = (startMs: number) => key.id.slice(0, -12) + startMs.toString(16).padStart(12, '0')
    const startMs = Math.floor(Date.now() / 60_000) * 60_000
    const kid = period(startMs)
    expect((await ask(`/keys/aes128/${kid}`)).bytes).toEqual(spekeKeyOf(kid))
    expect(speke.seen.at(-1)?.kids).toHaveLength(4)
    const before = speke.seen.length
    expect((await ask(`/keys/aes128/${period(startMs + 60_000)}`)).bytes).toEqual(spekeKeyOf(period(startMs + 60_000)))
    expect((await ask(`/keys/aes128/${period(startMs + 1_000)}`)).reason).toBe('key-unknown')
    expect((await ask(`/keys/aes128/${key.id}`)).reason).toBe('key-unknown')
    expect((await ask(`/keys/aes128/${period(631_152_000_000)}`)).reason).toBe('key-unknown')
    expect(speke.seen).toHaveLength(before)
    made.push(kid)
  })

  it('keeps the keys of periods sealed in the store', async () => {
    const kid = made.at(-1) ?? ''
    const database = Buffer.concat(
      readdirSync(node.dataDir)
        .filter((name) => name.startsWith('headend.db'))
        .map((name) => readFileSync(join(node.dataDir, name))),
    )
    expect(database.includes('"sealedValue"')).toBe(true)
    // That it was looked for at the right place: the record is there, and its value is not.
    expect(database.includes(`period-key${kid}`)).toBe(true)
    for (const [at, id] of made.entries()) {
      const value = spekeKeyOf(id)
      for (const form of [value, value.toString('hex'), value.toString('base64').replace(/=+$/, '')])
        expect(database.includes(form), `key ${at}`).toBe(false)
    }
  })

  it('writes what the provider says into manifests and init segments, in place of what would be made here', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'film.mp4')
    await ffmpeg(
      ...['-f', 'lavfi', '-i', 'testsrc2=s=64x36:r=25', '-t', '1', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', file],
    )
    const [{ id: open }] = (await api('GET', '/v1/key-authorization-policies')).items
    const key = async (kind: string) =>
      (await api('POST', '/v1/content-keys', { kind, keyAuthorizationPolicyId: open })).id as string
    const [cbcs, cenc] = [await key('cbcs'), await key('cenc')]
    made.push(cbcs, cenc)
    const policy = await api('POST', '/v1/delivery-policies', {
      name: 'as-the-provider-says',
      protocols: { hls: ['cbcs'], dash: ['cenc'], smooth: ['cenc'] },
      licenceUrls: { widevine: 'https://wv.example/{accountId}/{assetId}/{kidHex}' },
    })
    const contentKeys = [cbcs, cenc].map((contentKeyId) => ({ contentKeyId }))
    const asset = await api('POST', '/v1/assets', { name: 'film', deliveryPolicyId: policy.id, contentKeys })
    const entry = await api('POST', `/v1/assets/${asset.id}/files`, { name: 'film.mp4', isPrimary: true })
    const answer = await fetch(`${node.quickstart.controlUrl}/v1/assets/${asset.id}/files/${entry.id}/content`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${node.quickstart.apiKey}`, 'Headend-Account': accountId },
      body: readFileSync(file),
    })
    expect(answer.ok).toBe(true)
    const locator = await api('POST', '/v1/locators', { assetId: asset.id })
    const textOf = async (path: string) => (await ask(`/${locator.id}/${path}`)).bytes.toString()
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
    const line = (tag: string, format: string) =>
      `#${tag}:METHOD=SAMPLE-AES,URI="skd://${cbcs}",KEYFORMAT="${format}",KEYFORMATVERSIONS="1"`
    const formats = [WIDEVINE_FORMAT, 'com.microsoft.playready', 'com.apple.streamingkeydelivery']

    const master = await textOf('index.m3u8')
    for (const format of formats) expect(master.split('\n')).toContain(line('EXT-X-SESSION-KEY', format))
    const list = /^c\/[^\n]*\.m3u8$/m.exec(master)?.[0] ?? ''
    const media = await textOf(list)
    for (const format of formats) expect(media.split('\n')).toContain(line('EXT-X-KEY', format))
    // Of ours is the key itself alone, and where the operator says that players get it.
    expect(media.match(/#EXT-X-KEY/g)).toHaveLength(4)
    expect(media).toContain(`URI="https://keys.example.com/cdn/keys/aes128/${cbcs}"`)
    const init = /EXT-X-MAP:URI="([^"]+)"/.exec(media)?.[1] ?? ''
    const initBytes = (await ask(`/${locator.id}/${new URL(init, `http://h/${list}`).pathname.slice(1)}`)).bytes
    expect(initBytes.includes(spekePsshOf(cbcs))).toBe(true)
    expect(initBytes.includes(spekePlayReadyObjectOf(cbcs))).toBe(true)

    const mpd = await textOf('index.mpd')
    expect(mpd).toContain('<pssh xmlns="urn:mpeg:cenc:2013">AAAA</pssh>')
    expect(mpd).toContain(`<mspr:pro>${base64(spekePlayReadyObjectOf(cenc))}</mspr:pro>`)
    expect(mpd).toContain(`https://wv.example/${accountId}/${asset.id}/${cenc.replaceAll('-', '')}<`)
    const smooth = await textOf('film.ism/manifest')
    expect(smooth).toContain(`>${base64(spekePlayReadyObjectOf(cenc))}</ProtectionHeader>`)
  })

  it('passes challenges on for a right token, and says why it doesn’t', async () => {
    const primaryKey = { kind: 'rsa', pem: signer.publicKey }
    const restriction = { kind: 'token', issuer: 'https://issuer.example', audience: 'player', primaryKey }
    const customData = {
      header: 'x-dt-custom-data',
      fields: { userId: '{subject}', sessionId: '{sessionId}', merchant: 'acme' },
    }
    const licenceServer = { url: `${licences.url}/license-proxy-widevine/cenc/`, customData }
    const certificate = randomBytes(600)
    const options = [
      { delivery: 'widevine', restriction, licenceServer },
      {
        delivery: 'fairplay',
        restriction,
        licenceServer: { url: `${licences.url}/broken`, certificate: certificate.toString('base64') },
      },
      {
        delivery: 'playready',
        restriction: { kind: 'ip', allowIp: ['192.0.2.0/24'] },
        licenceServer: { url: `${licences.url}/nothing` },
      },
    ]
    const policy = await api('POST', '/v1/key-authorization-policies', { name: 'drm', options })
    const { id } = await api('POST', '/v1/content-keys', { kind: 'cbcs', keyAuthorizationPolicyId: policy.id })
    const jwt = new SignJWT({ sub: 'viewer-7' })
      .setIssuer('https://issuer.example')
      .setAudience('player')
      .setExpirationTime('10m')
    const token = await jwt.setProtectedHeader({ alg: 'RS256' }).sign(await importPKCS8(signer.privateKey, 'RS256'))
    const bearer = { Authorization: `Bearer ${token}` }
    const challenge = new Uint8Array(widevineChallenge(id))
    const given = await ask(`/keys/widevine/${id}`, bearer, challenge)
    expect([given.status, given.bytes]).toEqual([200, Buffer.concat([Buffer.from('licence for '), challenge])])
    expect((await ask(`/keys/widevine/${id}`, bearer, 'a challenge')).reason).toBe('request-malformed')
    const data = Buffer.from(String(licences.seen.at(-1)?.headers['x-dt-custom-data']), 'base64').toString()
    expect(JSON.parse(data)).toMatchObject({ userId: 'viewer-7', merchant: 'acme' })
    expect((await ask(`/keys/widevine/${id}`, {}, challenge)).reason).toBe('token-missing')
    expect(await ask(`/keys/fairplay/${id}`, bearer, 'an SPC')).toMatchObject({
      status: 502,
      reason: 'licence-server-down',
    })
    expect((await ask(`/keys/fairplay/${id}/certificate`)).bytes).toEqual(certificate)
    // Whose address it is says the proxy that is trusted.
    const from = { 'X-Forwarded-For': '192.0.2.7' }
    const soap = `<LA><KID>${playReadyKid(id)}</KID></LA>`
    expect((await ask(`/keys/playready/${id}`, {}, soap)).reason).toBe('address-not-allowed')
    expect((await ask(`/keys/playready/${id}`, from, soap)).reason).toBe('licence-refused')
    expect((await ask(`/keys/playready/${id}`, from, '<x/>')).reason).toBe('request-malformed')
    made.push(id, token)
  })

  it('gives nothing where the endpoint doesn’t: other addresses, and when it is stopped', async () => {
    const [kid = ''] = made
    const [endpoint] = (await api('GET', '/v1/streaming-endpoints')).items
    await api('PATCH', `/v1/streaming-endpoints/${endpoint.id}`, { allowIp: ['192.0.2.0/24'] })
    const from = (address: string) => ask(`/keys/aes128/${kid}`, { 'X-Forwarded-For': address })
    await expect.poll(async () => (await from('198.51.100.1')).reason).toBe('address-not-allowed')
    expect((await from('192.0.2.9')).status).toBe(200)
    await api('POST', `/v1/streaming-endpoints/${endpoint.id}/stop?wait=10s`)
    expect(await from('192.0.2.9')).toMatchObject({ status: 404, reason: 'endpoint-unknown' })
  })

  it('never prints a key, a token or a password, nor leaves one in what it says when it dies', async () => {
    const told = ['token-missing', 'licence-server-down', 'licence-refused', 'address-not-allowed', 'endpoint-unknown']
    let events = ''
    // What is refused is told together, a second's worth at a time.
    const untold = async () => {
      events = JSON.stringify(await api('GET', '/v1/events?limit=1000'))
      return told.filter((reason) => !events.includes(reason))
    }
    await expect.poll(untold, { interval: 250, timeout: 10_000 }).toEqual([])
    const metrics = await node.metrics()
    const ended = new Promise((resolve) => node.child.once('close', resolve))
    node.child.kill('SIGHUP')
    await ended
    const report = readdirSync(reports).map((name) => readFileSync(join(reports, name), 'utf8'))
    expect([node.output().includes('nobody catches this'), report.length]).toEqual([true, 1])
    expect(report.join()).toContain('nobody catches this')
    expect(JSON.parse(report[0] ?? '')).not.toHaveProperty('environmentVariables')
    const everything = [node.output(), events, metrics, ...served, ...report].join('\n')
    expect(served.filter((text) => text.includes('problem:')).length).toBeGreaterThan(5)
    const keys = made.filter((id) => id.length === 36).map(spekeKeyOf)
    const secrets = keys.flatMap((key) => [key.toString('hex'), key.toString('base64'), key.toString('base64url')])
    const pem =
      createPrivateKey(recipient.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString().split('\n')[3] ?? ''
    for (const text of [
      ...secrets,
      made.at(-1) ?? '',
      masterKey,
      pem,
      password,
      Buffer.from(`headend:${password}`).toString('base64'),
    ]) {
      expect(everything.includes(text)).toBe(false)
    }
  })
})
