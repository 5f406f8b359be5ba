import { afterEach, describe, expect, it } from 'vitest'
import { CountedLive, serveCounted, stopCounted } from './counted-live.ts'
import { rawRequest } from './raw-request.ts'

afterEach(stopCounted)

describe('the manifests of low latency', () => {
  const mpd = async (base: string, path: string) => (await rawRequest(`${base}/loc-1/${path}`)).body.toString()

  it('count segments for players of low latency, and list them for all others', async () => {
    const live = new CountedLive().segments(0, 3).open(3).part(0)
    const { base } = await serveCounted(live)
    const index = await mpd(base, 'index.mpd')
    expect(await mpd(base, 'Stream.ism/manifest(format=mpd-time-cmaf)')).toContain('$Number$')
    expect(index).toMatch(/media="c\/[^"]+\/video-1\/1\.d0\.\$Number\$\.m4s"/)
    const csf = await mpd(base, 'Stream.ism/manifest(format=mpd-time-csf)')
    expect(csf).toContain('$Time$')
    expect(csf).not.toContain('ServiceDescription')
    const location = /<Location>([^<]+)<\/Location>/.exec(csf)?.[1] ?? ''
    const followed = await mpd(base, `Stream.ism/manifest(format=mpd-time-csf)${location}`)
    expect(followed).toBe(csf)
    const audio = await mpd(base, 'Stream.ism/manifest(format=mpd-time-csf,audio-only=true)')
    expect(audio).not.toContain('video-1')
    const refused = await rawRequest(`${base}/loc-1/Stream.ism/manifest(format=mpd-time-csf,encryption=cbc)`)
    expect(refused.status).toBe(400)
  })

  it('resolve alike against their Location and against the request, for audio and each flavour', async () => {
    const live = new CountedLive().segments(0, 3)
    const { base } = await serveCounted(live)
    const ism = (options: string) => `Stream.ism/manifest(${options})`
    const paths = [
      'index.mpd',
      'index.mpd?rewind=full',
      ism('format=mpd-time-cmaf'),
      ism('format=mpd-time-csf,audio-only=true'),
    ]
    for (const path of paths) {
      const text = await mpd(base, path)
      const requested = new URL(`${base}/loc-1/${path}`)
      const located = new URL(/<Location>([^<]+)</.exec(text)?.[1]?.replaceAll('&amp;', '&') ?? '', requested)
      const addresses = [...text.matchAll(/(?:initialization|media)="([^"]+)"/g)].map(([, address = '']) => address)
      expect(addresses.length).toBeGreaterThan(1)
      for (const address of addresses) expect(new URL(address, located).href).toBe(new URL(address, requested).href)
      const init = addresses.find((address) => address.endsWith('.init.mp4')) ?? ''
      expect((await rawRequest(new URL(init, located).href)).status).toBe(200)
      expect(await mpd(base, located.href.replace(`${base}/loc-1/`, ''))).toBe(text)
    }
    const other = await rawRequest(`${base}/loc-1/index.mpd?live=of-another_1`)
    expect([other.status, JSON.parse(other.body.toString()).detail]).toEqual([404, expect.stringContaining('another')])
  })

  it('have a stretch of timeline as soon as it has begun in all renditions', async () => {
    const live = new CountedLive().segments(0, 3).gap(3)
    const { base } = await serveCounted(live)
    const periods = async () => [...(await mpd(base, 'index.mpd')).matchAll(/<Period id="(d\d)"/g)].map(([, id]) => id)
    expect(await periods()).toEqual(['d0'])
    live.discontinuity().open(4).part(0)
    expect(await periods()).toEqual(['d0'])
    live.part(1)
    expect(await periods()).toEqual(['d0', 'd1'])
    live.part(0, 3).part(1, 3).close()
    expect(await periods()).toEqual(['d0', 'd1'])
  })

  it('keep their addresses for who is in the middle when the program ends, and list the segments for who comes then', async () => {
    const live = new CountedLive().segments(0, 3)
    const { base } = await serveCounted(live)
    const location = /<Location>([^<]+)</.exec(await mpd(base, 'index.mpd'))?.[1] ?? ''
    live.apply({ type: 'ended' })
    expect(await mpd(base, 'index.mpd')).toMatch(/type="static"[\s\S]*\$Time\$/)
    const child = await mpd(base, `index.mpd${location}`)
    expect(child).toMatch(/type="dynamic"[\s\S]*mediaPresentationDuration="PT1700000006S"[\s\S]*\$Number\$/)
    expect(child).not.toContain('minimumUpdatePeriod')
  })
})
