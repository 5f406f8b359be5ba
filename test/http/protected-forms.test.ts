import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DeliveryKey, DeliveryTerms } from '../../src/domain/delivery-terms.ts'
import { keyOfKeyId } from '../../src/domain/key-id.ts'
import type { OriginServer } from '../../src/origin/origin-server.ts'
import { contentKeyValue } from '../../src/protection/content-key-derivation.ts'
import { ffmpeg } from '../support/ffmpeg.ts'
import { temporaryFolder } from '../support/headend.ts'
import { type Reading, readHls, readPlaylist, readSmooth } from '../support/protected/readings.ts'
import { encodedLive } from './encoded-fixture.ts'
import { type FakeLive, startOrigin } from './origin-fixture.ts'
import { get, text, urisOf } from './playlist-reading.ts'

const folder = temporaryFolder()
const SECONDS = 2
const files = { avc: join(folder, 'avc.mp4'), hevc: join(folder, 'hevc.mp4') }
const value = new Uint8Array(randomBytes(16))
const wrong = new Uint8Array(randomBytes(16))
const kids = {
  envelope: '00000000-0000-4000-8000-0000000000e1',
  cenc: '00000000-0000-4000-8000-0000000000c1',
  cbcs: '00000000-0000-4000-8000-0000000000b1',
  rotating: '00000000-0000-8000-8000-000000000000',
}
/** Tokens with which keys were asked for. */
const tokens: (string | null)[] = []
let origin: { server: OriginServer; base: string }
let lives: Record<'avc' | 'hevc', FakeLive>

function key(kind: DeliveryKey['kind'], contentKeyId: string, rotating = false): DeliveryKey {
  return { contentKeyId, kind, rotating, created: '2026-01-01T00:00:00Z', had: ['aes128', 'clearkey'] }
}

type Allowed = Partial<DeliveryTerms['protocols']>
const none: DeliveryTerms['protocols'] = { hls: [], dash: [], smooth: [], progressive: [] }
const keys = [key('envelope', kids.envelope), key('cenc', kids.cenc), key('cbcs', kids.cbcs)]
const terms = (protocols: Allowed, more: Partial<DeliveryTerms> = {}): DeliveryTerms => {
  return { policy: 'test', protocols: { ...none, ...protocols }, licenceUrls: {}, keys, ...more }
}

/** Locators, by what they deliver; of each there is one for HEVC too. */
const locators = new Map<string, DeliveryTerms | undefined>([
  ['clear', undefined],
  ['envelope', terms({ hls: ['envelope'], dash: ['envelope'], smooth: ['envelope'] })],
  ['cenc', terms({ hls: ['cenc'], dash: ['cenc'], smooth: ['cenc'] })],
  ['cbcs', terms({ hls: ['cbcs'], dash: ['cbcs'] })],
  [
    'rotating',
    terms(
      { hls: ['envelope'], dash: ['envelope'], smooth: ['envelope'] },
      { keys: [key('envelope', kids.rotating, true)], rotationPeriodMs: 1_000 },
    ),
  ],
])

function encode(): Promise<unknown> {
  const inputs = [
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=160x90:rate=25',
    '-f',
    'lavfi',
    '-i',
    'sine=440:sample_rate=48000',
  ]
  const gop = ['-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
  const fragmented = ['-movflags', '+frag_keyframe+delay_moov+default_base_moof', '-use_editlist', '0', '-f', 'mp4']
  const x265 = ['-c:v', 'libx265', '-x265-params', 'log-level=none', '-tag:v', 'hvc1']
  return Promise.all([
    ffmpeg(
      ...inputs,
      '-c:v',
      'libx264',
      ...gop,
      '-bf',
      '2',
      '-c:a',
      'aac',
      '-t',
      `${SECONDS}`,
      ...fragmented,
      files.avc,
    ),
    ffmpeg(...inputs, ...x265, ...gop, '-c:a', 'aac', '-t', '1', ...fragmented, files.hevc),
  ])
}

beforeAll(async () => {
  await encode()
  lives = { avc: encodedLive(files.avc), hevc: encodedLive(files.hevc) }
  for (const { presentation } of Object.values(lives)) {
    presentation.apply({ type: 'ended' })
    presentation.apply({ type: 'archived' })
  }
  origin = await startOrigin(
    lives.avc,
    {},
    {
      publications: {
        find: (locatorId) => {
          const [name = '', codec] = locatorId.split('-')
          const live = codec === 'hevc' ? lives.hevc : lives.avc
          const delivery = locators.get(name)
          if (!locators.has(name)) return undefined
          return { locatorId, manifestName: 'stream', view: live.presentation, ...(delivery && { delivery }) }
        },
      },
      contentKeys: { findFor: async () => ({ material: { source: 'value', bytes: value } }) },
      keys: {
        answer: async ({ target }) => {
          const { pathname, searchParams } = new URL(target, 'http://x')
          const kid = pathname.split('/').at(-1) ?? ''
          tokens.push(searchParams.get('token'))
          const body = contentKeyValue({ source: 'value', bytes: value }, keyOfKeyId(kid).keyId, kid)
          return { status: 200, headers: ['Content-Type', 'application/octet-stream'], body }
        },
      },
    },
  )
})
afterAll(async () => {
  await origin?.server.stop()
  rmSync(folder, { recursive: true, force: true })
})

const manifest = (locator: string, format: string, more = '') =>
  `${origin.base}/${locator}/stream.ism/manifest(format=${format}${more})`

function frames(reading: Reading): number {
  return [...reading.values()].reduce((sum, list) => sum + list.length, 0)
}

describe('HLS, encrypted', () => {
  it.each([
    ['m3u8-aapl', 'envelope', undefined],
    ['m3u8-cmaf', 'envelope', undefined],
    // ffmpeg 5.1 leaves the last samples of a SAMPLE-AES playlist encrypted, and all of packed AC-3.
    ['m3u8-aapl-v3', 'cbcs', SECONDS - 0.3],
  ])(
    '%s in %s is what it is in the clear, and with another key is not',
    async (format, scheme, seconds) => {
      const url = manifest(scheme, format)
      const [clear, open, other] = await Promise.all([
        readHls(manifest('clear', format), { folder, seconds }),
        readHls(url, { folder, seconds }),
        readHls(url, { folder, seconds, key: wrong }),
      ])
      expect(frames(clear)).toBeGreaterThan(100)
      for (const [label, list] of clear) {
        const given = open.get(label) ?? []
        expect(given.length).toBeGreaterThan(list.length - (seconds ? 6 : 1))
        // Where reading is cut, the last frames are cut too.
        const sure = seconds ? given.length - 3 : given.length
        expect(given.slice(0, sure)).toEqual(list.slice(0, sure))
      }
      for (const [label, list] of clear) expect(other.get(label)).not.toEqual(list)
    },
    60_000,
  )

  it('changes keys from period to period, each with its init segment', async () => {
    for (const format of ['m3u8-aapl', 'm3u8-cmaf']) {
      const url = manifest('rotating', format)
      const [list = ''] = urisOf(await text(url), url)
      const playlist = await text(list)
      const said = playlist.match(/#EXT-X-KEY:METHOD=AES-128,URI="\/keys\/aes128\/[0-9a-f-]{36}",IV=0x[0-9A-F]{32}$/gm)
      expect(new Set(said).size).toBe(SECONDS)
      expect(said).toHaveLength(SECONDS)
      expect(playlist.match(/#EXT-X-MAP/g) ?? []).toHaveLength(format === 'm3u8-cmaf' ? SECONDS : 0)
      const [pictures = []] = await readPlaylist(list, { folder })
      const of = manifest('clear', format)
      const [clear = ''] = urisOf(await text(of), of)
      expect(pictures).toEqual((await readPlaylist(clear, { folder }))[0])
    }
  }, 60_000)

  it('has key frames, whole or by their own addresses', async () => {
    const lists: Record<string, string> = {}
    for (const format of ['m3u8-aapl', 'm3u8-cmaf']) {
      const url = manifest('envelope', format)
      const list = urisOf(await text(url), url).find((uri) => uri.includes('iframes')) ?? ''
      lists[format] = await text(list)
      const media = urisOf(lists[format], list).filter((uri) => !uri.endsWith('.init.mp4') && !uri.includes('/keys/'))
      expect(media).toHaveLength(SECONDS)
      for (const uri of media) {
        const { status, body } = await get(uri)
        expect([status, body.length % 16]).toEqual([200, 0])
      }
    }
    expect(lists['m3u8-cmaf']).not.toContain('BYTERANGE')
    expect(lists['m3u8-cmaf']).toMatch(/^\S+\.key\.m4s$/m)
  })

  it('says what there is no form of', async () => {
    const refused = async (url: string) => {
      const { status, body } = await get(url)
      return `${status} ${JSON.parse(body.toString()).detail}`
    }
    expect(await refused(manifest('cenc', 'm3u8-aapl'))).toContain('400 Transport streams have no form of cenc')
    const url = manifest('cbcs-hevc', 'm3u8-aapl')
    // Sound has a form, pictures have not.
    expect(await text(url)).not.toContain('RESOLUTION')
    const digest = /c\/([^/]+)\//.exec(await text(url))?.[1]
    expect(await refused(`${origin.base}/cbcs-hevc/c/${digest}/video-1/v4.m3u8`)).toContain(
      '400 SAMPLE-AES in transport streams has no place for hvc1',
    )
    expect(await refused(manifest('rotating', 'fmp4-v20'))).toContain('400 Smooth Streaming has one key')
    expect(await refused(manifest('cbcs', 'fmp4-v20'))).toContain('403')
    expect(await refused(manifest('envelope', 'm3u8-aapl', ',encryption=cenc'))).toContain('403')
  })

  it('is asked for anew when the policy has changed, whatever was cached before', async () => {
    locators.set('changing', locators.get('envelope'))
    const url = manifest('changing', 'm3u8-aapl')
    const [list = ''] = playlistsOf(await text(url), url)
    const [segment = ''] = urisOf(await text(list), list).filter((uri) => /\.(ts|aac|ac3)$/.test(uri))
    expect((await get(segment)).status).toBe(200)
    locators.set('changing', terms({ hls: ['cbcs'] }))
    expect([(await get(segment)).status, (await get(list)).status]).toEqual([404, 404])
    expect(await text(url)).toContain('#EXTM3U')
    locators.set('changing', terms({ dash: ['cbcs'] }))
    expect((await get(url)).status).toBe(403)
  })
})

describe('Smooth Streaming, encrypted', () => {
  it('has the samples that it has in the clear, as PIFF and in the envelope', async () => {
    const clear = await readSmooth(manifest('clear', 'fmp4-v20'), { folder })
    expect(frames(clear)).toBeGreaterThan(80)
    const piff = manifest('cenc', 'fmp4-v20')
    expect(await readSmooth(piff, { folder, key: value })).toEqual(clear)
    expect(await readSmooth(piff, { folder, key: wrong })).not.toEqual(clear)
    expect(await readSmooth(manifest('cenc', 'fmp4-v20', ',encryption=piff'), { folder, key: value })).toEqual(clear)
    const envelope = manifest('envelope', 'fmp4-v20')
    expect(await readSmooth(envelope, { folder })).toEqual(clear)
    await expect(readSmooth(envelope, { folder, key: wrong })).rejects.toThrow()
  })
})

/** What a master playlist names that is no key. */
function playlistsOf(master: string, url: string): string[] {
  return urisOf(master, url).filter((uri) => !uri.includes('/keys/'))
}

describe('a token on the URL of a manifest', () => {
  it('goes on to the key, and what has it is nobody else’s', async () => {
    const shared = manifest('envelope', 'm3u8-aapl')
    const url = `${shared}?token=a.b-c`
    const before = await text(shared)
    const master = await text(url)
    const session = `#EXT-X-SESSION-KEY:METHOD=AES-128,URI="/keys/aes128/${kids.envelope}?token=a.b-c",IV=0x`
    expect(master).toContain(session)
    const [list = ''] = playlistsOf(master, url).filter((uri) => !uri.includes('iframes'))
    expect(new URL(list).searchParams.get('token')).toBe('a.b-c')
    const { headers, body } = await get(list)
    expect(headers['cache-control']).toBe('private, no-store')
    expect(headers['etag']).toBeUndefined()
    const [, keyUrl = ''] = /EXT-X-KEY:METHOD=AES-128,URI="([^"]+)"/.exec(body.toString()) ?? []
    expect(keyUrl).toBe(`/keys/aes128/${kids.envelope}?token=a.b-c`)
    tokens.length = 0
    expect(await readHls(url, { folder })).toEqual(await readHls(manifest('clear', 'm3u8-aapl'), { folder }))
    expect(new Set(tokens)).toEqual(new Set(['a.b-c']))
    expect(await text(shared)).toBe(before)
    expect(await text(list.replace(/\?.*/, ''))).not.toContain('token')
    const clear = manifest('clear', 'm3u8-aapl')
    expect(await text(`${clear}?token=a.b-c`)).toBe(await text(clear))
  }, 60_000)
})
