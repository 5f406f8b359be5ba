import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadDefaultSource, protocolOf, readPageRequest, sourceOf } from '../../../player/src/address.ts'

beforeEach(() => {
  vi.stubGlobal('location', new URL('https://watch.example/player/'))
})

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('the protocol of a URL', () => {
  it.each([
    ['https://h/index.mpd', 'dash'],
    ['https://h/index.mpd?token=1', 'dash'],
    ['https://h/a.mpd.m3u8', 'hls'],
    ['https://h/index.m3u8', 'hls'],
    ['https://h/x.ism/manifest(format=mpd-time-cmaf)', 'dash'],
    ['https://h/x.ism/manifest(format=m3u8-cmaf).mpd', 'hls'],
    ['https://h/stream', 'hls'],
    ['https://h/x.ism/manifest', 'dash'],
    ['https://h/x.isml/Manifest(audio-only=true)?token=1', 'dash'],
    ['https://h/x.ism/manifest(format=fmp4-v20)', 'dash'],
    ['https://h/x.ism/manifest(format=m3u8-aapl)', 'hls'],
  ] as const)('%s is %s', (url, protocol) => {
    expect(protocolOf(url)).toBe(protocol)
    expect(sourceOf(url)).toEqual({ [protocol]: url })
  })
})

describe("the page's own URL", () => {
  it('names both manifests, the protocol, the title and whether it is embedded', () => {
    const search = '?hls=https://h/a.m3u8&dash=/a.mpd&protocol=dash&title=One&embed=1'
    expect(readPageRequest(search)).toEqual({
      source: { hls: 'https://h/a.m3u8', dash: 'https://watch.example/a.mpd', title: 'One' },
      ...{ shaka: false, token: undefined },
      protocol: 'dash',
      embed: true,
    })
  })

  it('carries a token behind the #, and says that shaka-player is wanted', () => {
    expect(readPageRequest('?player=shaka', '#token=a.b-c_d')).toMatchObject({ shaka: true, token: 'a.b-c_d' })
    expect(readPageRequest('?token=never', '#token=%20')).toMatchObject({ shaka: false, token: undefined })
  })

  it('carries nothing but http(s)', () => {
    for (const url of [
      'javascript:alert(1)',
      'data:text/plain,x',
      'blob:https://h/1',
      'file:///etc/passwd',
      'http://',
    ]) {
      expect(readPageRequest(`?url=${encodeURIComponent(url)}&protocol=smooth`)).toEqual({
        source: {},
        ...{ shaka: false, token: undefined },
        protocol: undefined,
        embed: false,
      })
    }
  })
})

describe('what the server offers', () => {
  it('is taken field by field, and nothing when it fails', async () => {
    const answer = vi.fn(async () => Response.json({ title: 'Main', hlsUrl: 'http://h/a.m3u8', dashUrl: 7 }))
    vi.stubGlobal('fetch', answer)
    expect(await loadDefaultSource()).toEqual({ title: 'Main', hls: 'http://h/a.m3u8' })
    answer.mockImplementation(async () => new Response('', { status: 404 }))
    expect(await loadDefaultSource()).toEqual({})
    answer.mockRejectedValue(new TypeError('no network'))
    expect(await loadDefaultSource()).toEqual({})
  })
})
