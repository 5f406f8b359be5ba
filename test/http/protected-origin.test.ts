import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkMpd } from '../../src/conformance/dash-rules.ts'
import { checkPlaylist } from '../../src/conformance/hls-rules.ts'
import { type DeliveryKey, nothingDelivered } from '../../src/domain/delivery-terms.ts'
import type { DrmSignalling } from '../../src/domain/drm-signalling.ts'
import { periodKeyId } from '../../src/domain/key-id.ts'
import { AppError } from '../../src/lib/errors.ts'
import { psshBox } from '../../src/protection/drm/pssh-box.ts'
import { crawl } from '../support/crawl.ts'
import { decoded } from '../support/protected-media.ts'
import {
  base,
  bytesOf,
  CBCS,
  CENC,
  clearOf,
  expectDecrypts,
  IDS,
  key,
  keyValueOf,
  listed,
  other,
  playlist,
  provider,
  publish,
  START_SECONDS,
  startProtected,
  stopProtected,
  TURNING,
  terms,
  text,
  VALUES,
} from './protected-bench.ts'
import { rawRequest } from './raw-request.ts'

beforeAll(startProtected)
afterAll(stopProtected)

describe('CMAF', () => {
  it.each([
    ['cenc', CENC],
    ['cbcs', CBCS],
    ['cbcs, rotating', TURNING],
  ])('in %s is decrypted by ffmpeg to the very frames, from HLS and DASH', async (_name, delivery) => {
    await publish(delivery)
    for (const rendition of ['video-1', 'audio-1']) {
      const list = await playlist(rendition)
      // Sound is cut here as no channel would.
      const broken = checkPlaylist(list.lines.join('\n')).filter(({ rule }) => rule !== 'hls-part-duration')
      expect(broken).toEqual([])
      const segments = listed(list)
      expect(segments).toHaveLength(5)
      for (const segment of segments.slice(1, 3)) await expectDecrypts(rendition, segment)
    }
    const mpd = await text('/l/index.mpd')
    expect(checkMpd(mpd)).toEqual([])
    expect(mpd).toContain('urn:mpeg:dash:mp4protection:2011')
    expect(mpd).toContain(`<dashif:laurl>${base}/keys/clearkey</dashif:laurl>`)
  })

  it('has each part as it stands in its segment, and numbers alike, closed and open', async () => {
    await publish(CBCS)
    const { path, lines } = await playlist('video-1')
    const parts = lines.flatMap((line) => /EXT-X-PART:.*URI="([^"]+)"/.exec(line)?.[1] ?? [])
    const whole = Buffer.concat(await Promise.all(parts.map((part) => bytesOf(new URL(part, base + path).pathname))))
    for (const { url } of listed({ path, lines }).slice(-2)) {
      expect(whole.includes(await bytesOf(url)), url).toBe(true)
    }
    const mpd = await text('/l/index.mpd')
    const [, template = ''] = /media="([^"]+video-1[^"]+\$Number\$[^"]*)"/.exec(mpd) ?? []
    const number = START_SECONDS / 2 + 4
    const numbered = await bytesOf(`/l/${template.replace('$Number$', String(number))}`)
    expect(numbered.includes('senc')).toBe(true)
    const file = Buffer.concat([await bytesOf(listed({ path, lines })[0]!.init), numbered])
    expect(await decoded(file, keyValueOf(IDS.cbcs))).toEqual(
      await clearOf('video-1', listed({ path, lines }).at(-1)!.url),
    )
  })

  it('begins a new key, init segment and period with each period of keys', async () => {
    await publish(TURNING)
    const segments = listed(await playlist('video-1'))
    const begins = segments.map(({ kid }) => Number.parseInt(kid.slice(-12), 16))
    expect(begins).toEqual([0, 0, 4, 4, 8].map((seconds) => (START_SECONDS + seconds) * 1_000))
    expect(new Set(segments.map(({ init }) => init)).size).toBe(3)
    const kids = [0, 4, 8].map((seconds) => periodKeyId(IDS.turning, (START_SECONDS + seconds) * 1_000))
    const mpd = await text('/l/index.mpd')
    expect([...mpd.matchAll(/<Period /g)]).toHaveLength(3)
    for (const kid of kids) expect(mpd).toContain(`cenc:default_KID="${kid}"`)
    expect((await text('/l/index.m3u8')).match(/EXT-X-SESSION-KEY/g)?.length).toBeGreaterThan(1)
  })

  it('has key frames at addresses of their own', async () => {
    await publish(CENC)
    const { path } = await playlist('video-1')
    const list = (await text(path.replace('.m3u8', '-iframes.m3u8'))).split('\n')
    expect(list.join('\n')).not.toContain('BYTERANGE')
    const [first] = listed({ path, lines: list })
    const file = Buffer.concat([await bytesOf(first!.init), await bytesOf(first!.url)])
    const clear = await clearOf('video-1', listed(await playlist('video-1'))[0]!.url)
    expect((await decoded(file, keyValueOf(IDS.cenc)))[0]).toBe(clear[0])
  })

  it('is the same on two origins', async () => {
    await publish(TURNING)
    const [one, same] = [await crawl(base, ['/l/index.m3u8']), await crawl(other, ['/l/index.m3u8'])]
    expect(one.size).toBeGreaterThan(20)
    expect([...same]).toEqual([...one])
  })
})

const WIDEVINE = 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed'

describe('what a key’s provider wants players to be told', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const boxOf = (kid: string) => psshBox({ systemId: WIDEVINE, data: Buffer.from(`provider ${kid}`) })
  const lineOf = (tag: string, kid: string) =>
    `#${tag}:METHOD=SAMPLE-AES,URI="skd://${kid}",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"`
  const told = (kid: string): DrmSignalling => [
    {
      systemId: WIDEVINE,
      pssh: Buffer.from(boxOf(kid)).toString('base64'),
      contentProtection: base64(`<cenc:pssh>${base64(`from the provider ${kid}`)}</cenc:pssh>`),
    },
    { systemId: '94ce86fb-07ff-4f43-adb8-93d2fa968ca2', hlsMedia: base64(lineOf('EXT-X-KEY', kid)) },
  ]
  const keyOf = (had: DeliveryKey['had']) => ({ ...key(IDS.turning, 'cbcs', true), had, signalling: 'each period' })
  const terms = (had: DeliveryKey['had']) => ({ ...TURNING, keys: [keyOf(had)] })
  const kidAt = (seconds: number) => periodKeyId(IDS.turning, (START_SECONDS + seconds) * 1_000)

  it('stands in place of what is made here, for each period, and alike on every origin', async () => {
    provider.told = told
    await publish(terms(['clearkey']))
    const master = await text('/l/index.m3u8')
    for (const kid of [kidAt(8), kidAt(12)]) expect(master).toContain(lineOf('EXT-X-SESSION-KEY', kid))
    const list = await playlist('video-1')
    const mpd = await text('/l/index.mpd')
    expect(checkMpd(mpd)).toEqual([])
    for (const kid of [kidAt(0), kidAt(4), kidAt(8)]) {
      expect(list.lines).toContain(lineOf('EXT-X-KEY', kid))
      const box = `data:text/plain;base64,${Buffer.from(boxOf(kid)).toString('base64')}`
      expect(list.lines.join()).toContain(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="${box}"`)
      const content = `<cenc:pssh>${base64(`from the provider ${kid}`)}</cenc:pssh>`
      expect(mpd).toMatch(
        new RegExp(
          `<ContentProtection xmlns:cenc="urn:mpeg:cenc:2013" schemeIdUri="urn:uuid:${WIDEVINE}">\\s*${content}`,
        ),
      )
    }
    const inits = new Set(list.lines.flatMap((line) => /EXT-X-MAP:URI="([^"]+)"/.exec(line)?.[1] ?? []))
    const bodies = await Promise.all([...inits].map((uri) => bytesOf(new URL(uri, base + list.path).pathname)))
    expect(bodies.map((body, at) => body.includes(boxOf(kidAt(at * 4))))).toEqual([true, true, true])
    const [one, same] = [await crawl(base, ['/l/index.m3u8']), await crawl(other, ['/l/index.m3u8'])]
    expect([...same]).toEqual([...one])
  })

  it('is waited for by manifests, but of what comes next they can do without', async () => {
    provider.told = (kid) => {
      if (kid !== kidAt(12)) return told(kid)
      throw new AppError('KEY_PROVIDER_DOWN', 'The key provider gives no key.')
    }
    await publish(terms(['clearkey', 'aes128']))
    expect(await text('/l/index.m3u8')).not.toContain(kidAt(12))
    provider.told = () => {
      throw new AppError('KEY_PROVIDER_DOWN', 'The key provider gives no key.')
    }
    await publish(terms(['aes128']))
    for (const path of ['/l/index.m3u8', '/l/index.mpd']) expect((await rawRequest(base + path)).status).toBe(503)
    provider.told = told
    expect(await text('/l/index.mpd')).toContain(WIDEVINE)
    provider.told = () => undefined
  })
})

const ISM = '/l/News.ism'
/** Everything that a locator publishes is named by one of these, or by what they name. */
const STARTS = [
  ...['/l/index.m3u8', '/l/index.mpd', `${ISM}/manifest`],
  ...['m3u8-cmaf', 'm3u8-aapl', 'm3u8-aapl-v3', 'mpd-time-cmaf', 'mpd-time-csf', 'fmp4-v20'].flatMap((format) => [
    `${ISM}/manifest(format=${format})`,
    `${ISM}/manifest(format=${format},encryption=clear)`,
    `${ISM}/manifest(format=${format},encryption=cenc)`,
  ]),
  `${ISM}/QualityLevels(700001)/Manifest(video,format=m3u8-cmaf,type=keyframes)`,
  `${ISM}/QualityLevels(700001)/Fragments(video=i,format=m3u8-cmaf)`,
  `${ISM}/thumbnail(time=1,width=160)`,
  ...['/l/thumbnails.vtt', '/l/News.mp4', '/l/audio-1.mp4'],
]

describe('nothing of a protected presentation leaves in the clear', () => {
  it('through any URL that there is, nor through one that there was', async () => {
    await publish(undefined)
    const before = [...(await crawl(base, STARTS))].filter(([, { status }]) => status === 200).map(([path]) => path)
    expect(before.length).toBeGreaterThan(60)
    await publish(CENC)
    const after = await crawl(base, [...STARTS, ...before])
    const media = [...after].filter(
      ([path, { status }]) => status === 200 && !/\.m3u8|mpd|manifest|Manifest\(/.test(path),
    )
    expect(media.length).toBeGreaterThan(20)
    for (const [path, { type }] of media) {
      // Keys are no media, and nobody gives any out here.
      expect(String(type), path).toMatch(/^(video|audio)\/mp4$/)
      const body = await bytesOf(path)
      expect(body.includes('senc') || body.includes('tenc'), path).toBe(true)
    }
    const blocked = ['/l/News.mp4', '/l/thumbnails.vtt', `${ISM}/thumbnail(time=1,width=160)`, `${ISM}/manifest`]
    expect(blocked.map((path) => after.get(path)?.status)).toEqual([403, 403, 403, 403])
    const digest = /\/c\/[^/]+\//.exec(before.find((path) => path.endsWith('.m4s')) ?? '')?.[0]
    for (const path of before.filter((one) => one.includes(digest ?? '?')))
      expect(after.get(path)?.status, path).toBe(404)
  })

  it('says what the policy allows, and what it lacks', async () => {
    const problem = async (path: string) => JSON.parse((await rawRequest(base + path)).body.toString())
    await publish(CENC)
    expect(await problem(`${ISM}/manifest(format=m3u8-cmaf,encryption=cbcs-aapl)`)).toMatchObject({
      status: 403,
      type: 'urn:headend:problem:delivery-blocked',
      detail: expect.stringContaining('cenc (encryption=cenc)'),
    })
    expect((await problem(`${ISM}/manifest`)).detail).toBe('The delivery policy dp_one blocks Smooth Streaming.')
    await publish(terms({ hls: ['cbcs'] }, []))
    expect((await problem('/l/index.m3u8')).detail).toContain('has no content key of that kind')
    await publish(nothingDelivered)
    expect((await problem('/l/index.m3u8')).detail).toContain('stored encrypted')
    await publish(terms({ hls: ['cbcs'] }, [{ ...key(IDS.cbcs, 'cbcs'), tracks: ['video'] }]))
    expect((await problem('/l/index.m3u8')).detail).toContain('No content key of kind cbcs is for audio')
  })

  it('takes the first that a policy lists where an alias leaves it open, and asks where the grammar of AMS does', async () => {
    const both = terms({ hls: ['cbcs', 'clear'] }, [key(IDS.cbcs, 'cbcs')])
    await publish(both)
    expect((await playlist('video-1')).lines.join('\n')).toContain('METHOD=SAMPLE-AES')
    expect((await rawRequest(`${base}${ISM}/manifest(format=m3u8-cmaf)`)).status).toBe(400)
    expect(await text(`${ISM}/manifest(format=m3u8-cmaf,encryption=clear)`)).not.toContain('SESSION-KEY')
    expect(await text(`${ISM}/manifest(format=m3u8-cmaf, encryption=cbcs-aapl)`)).toContain('SESSION-KEY')
  })

  it('writes no key into any manifest', async () => {
    await publish(TURNING)
    const secrets = [
      ...VALUES.values(),
      ...[0, 4, 8].map((s) => keyValueOf(periodKeyId(IDS.turning, (START_SECONDS + s) * 1_000))),
    ]
    const starts = ['/l/index.m3u8', '/l/index.mpd']
    const texts = [...(await crawl(base, starts)).keys()].filter((path) => /m3u8|mpd|init/.test(path))
    for (const path of texts) {
      const body = (await rawRequest(base + path)).body
      for (const secret of secrets) {
        const value = Buffer.from(secret)
        expect(body.includes(value), path).toBe(false)
        expect(body.toString().toLowerCase()).not.toContain(value.toString('hex'))
        expect(body.toString()).not.toContain(value.toString('base64'))
      }
    }
  })
})
