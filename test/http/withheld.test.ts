import { afterEach, describe, expect, it } from 'vitest'
import type { EndpointRules } from '../../src/domain/serving-rules.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { type Logger, silentLogger } from '../../src/lib/logger.ts'
import { signLocator } from '../../src/origin/signed-access.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'
import { untilBlocked } from './parted-live.ts'
import { rawRequest } from './raw-request.ts'
import { serveLive, stopServed, tenAnd } from './served-live.ts'

const NOW_MS = 1_800_000_000_000
const open: EndpointRules = { hostNames: [], maxCacheAge: 'PT1H', allowIp: [], cors: undefined, signedUrlKeys: [] }
const secret = { name: 'k', secret: 'a secret of the operator' }
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await stopServed()
  for (const stop of stops.splice(0)) await stop()
})

function listening(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const line = (...said: unknown[]) => void lines.push(JSON.stringify(said))
  return { logger: { ...silentLogger, warn: line, error: line } as Logger, lines }
}

/** An origin whose storage rejects with this. */
async function failing(error: () => Error, rules?: EndpointRules) {
  const { logger, lines } = listening()
  const live = new FakeLive().addTracks().addSegments(4)
  const clock = new VirtualClock(NOW_MS)
  const account = rules && { rules: { accountId: 'a', filters: [], endpoints: [rules] } }
  const started = await startOrigin(
    live,
    {},
    {
      logger,
      clock,
      publications: { find: () => ({ locatorId: 'l', manifestName: 'm', view: live.presentation, ...account }) },
      fragments: { read: () => Promise.reject(error()) },
    },
  )
  stops.push(() => started.server.stop())
  const get = async (path: string) => {
    const { status, headers, body } = await rawRequest(`${started.base}${path}`)
    return { status, retry: headers['retry-after'], text: body.toString() }
  }
  const segmentUnder = async (prefix: string) => {
    const playlist = /^c\/.*m3u8$/m.exec((await get(`${prefix}/l/index.m3u8`)).text)?.[0] ?? ''
    const segment = /^.*m4s$/m.exec((await get(`${prefix}/l/${playlist}`)).text)?.[0]
    return `${prefix}/l/${playlist.replace(/[^/]*$/, '')}${segment}`
  }
  return { get, lines, clock, segmentUnder }
}

describe('what is wrong behind the server', () => {
  it.each([
    ['MASTER_KEY_UNAVAILABLE', 'The master key one can’t be had: /etc/headend/secret.key can’t be read (EACCES).'],
    ['MASTER_KEY_WRONG', 'The master key one does not open it.'],
    ['MASTER_KEY_MISSING', 'No master key is configured (storage.masterKeys).'],
    ['KEY_PROVIDER_DOWN', 'The key provider (10.0.0.5) gives no key: connect ECONNREFUSED 10.0.0.5:443.'],
    ['STORAGE_DOWN', 'The object store failed at reading (bucket-of-ours/as_1).'],
    ['FFMPEG_CRASHED', 'ffmpeg failed (code 1): /var/lib/headend/x: Invalid data.'],
  ] as const)('is for the log, and viewers are told to come again: %s', async (code, message) => {
    const { get, lines, segmentUnder, clock } = await failing(() => new AppError(code, message))
    const url = await segmentUnder('')
    const answers = [await get(url), await get(url)]
    for (const { status, retry, text } of answers) {
      expect([status, retry]).toEqual([503, '1'])
      expect(JSON.parse(text)).toEqual({
        type: 'urn:headend:problem:unavailable',
        title: 'Unavailable for the moment',
        status: 503,
        detail: 'The server can not answer this for the moment; it has been noted.',
      })
    }
    expect(lines.filter((line) => line.includes(code))).toHaveLength(1)
    expect(lines.join()).toContain(JSON.stringify(message).slice(1, -1))
    await clock.advance(60_000)
    await get(url)
    expect(lines.filter((line) => line.includes(code))).toHaveLength(2)
  })

  it('says that it is busy, and what is asked for wrongly', async () => {
    const { get, lines, segmentUnder } = await failing(() => new AppError('ORIGIN_BUSY', 'Too much is being read.'))
    expect((await get(await segmentUnder(''))).text).toContain('Too much is being read.')
    expect((await get('/l/nothing')).text).toContain('urn:headend:problem:url-unknown')
    expect(lines.join()).not.toContain('can not be answered')
  })

  it('is logged without the signature that lets its reader in', async () => {
    const until = String(NOW_MS / 1_000 + 60)
    const signature = `k.${until}.${signLocator(secret.secret, 'l', until)}`
    const rules = { ...open, signedUrlKeys: [secret] }
    for (const error of [new Error('disk on fire'), new AppError('STORAGE_DOWN', 'no disk')]) {
      const { get, lines, segmentUnder } = await failing(() => error, rules)
      const url = await segmentUnder(`/signed/${signature}`)
      expect((await get(`${url}?token=x`)).status).toBeGreaterThanOrEqual(500)
      expect(lines).toHaveLength(1)
      expect(lines[0]).not.toContain(signature)
      expect(lines[0]).toContain('/signed/-/l/c/')
    }
  })
})

describe('who waited', () => {
  /** Somebody who waits for a part under these rules; `prefix` stands before the path. */
  async function waiting(rules: EndpointRules, prefix = '') {
    const live = tenAnd(3)
    const clock = new VirtualClock(NOW_MS)
    const now = { rules: open }
    const publications = {
      ...live.ports().publications,
      find: () => ({
        locatorId: 'loc-1',
        manifestName: 'm',
        view: live.presentation,
        rules: { accountId: 'a', filters: [], endpoints: [now.rules] },
      }),
    }
    const { server, get, base, video } = await serveLive(live, {}, { publications, clock })
    now.rules = rules
    const answer = get('?_HLS_msn=10&_HLS_part=3', video.replace(base, base + prefix))
    await untilBlocked(server, 1)
    return { live, clock, answer, now }
  }

  it('is answered by the endpoint’s rules as they are then', async () => {
    const { live, answer, now } = await waiting(open)
    now.rules = { ...open, allowIp: ['192.0.2.0/24'] }
    live.part(0)
    expect((await answer).status).toBe(403)
  })

  it('is not answered when the signature has expired meanwhile, and is before', async () => {
    const until = String(NOW_MS / 1_000 + 1)
    const signed = `/signed/k.${until}.${signLocator(secret.secret, 'loc-1', until)}`
    for (const [waitedMs, status] of [
      [900, 200],
      [1_000, 403],
    ] as const) {
      const { live, clock, answer } = await waiting({ ...open, signedUrlKeys: [secret] }, signed)
      await clock.advance(waitedMs)
      live.part(0)
      expect((await answer).status).toBe(status)
    }
  })
})
