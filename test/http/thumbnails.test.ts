import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { OriginServer } from '../../src/origin/origin-server.ts'
import { encodeJpeg } from '../../src/transcode/jpeg-encoder.ts'
import { encode, type Media, Recording } from '../support/recording.ts'

/** Seconds of pictures that are lighter with each second: 16 and 8 for each second that has passed. */
const SECONDS = 60
const luminance = (second: number) => 16 + 3 * second
const made: number[] = []

function encodeSteps(...codec: readonly string[]): Media {
  const source = ['-f', 'lavfi', '-i', `color=s=320x180:r=5:d=${SECONDS},geq=lum='16+3*floor(T)':cb=128:cr=128`]
  return encode(...source, '-pix_fmt', 'yuv420p', ...codec)
}

let server: OriginServer
let origin: string
const views = new Map<string, Recording>()

function record(id: string, media: Media, isEnded: boolean): Recording {
  const stretches = [{ rendition: 'video-1', media, atSeconds: 0 }]
  const recording = new Recording(stretches, { segmentSeconds: 2, header: { id } })
  if (isEnded) for (const type of ['ended', 'archived'] as const) recording.presentation.apply({ type })
  return recording
}

beforeAll(async () => {
  const h264 = encodeSteps('-c:v', 'libx264', '-g', '10', '-preset', 'ultrafast', '-bf', '0')
  views.set('done', record('done', h264, true))
  views.set('live', record('live', h264, false))
  views.set(
    'vp9',
    record('vp9', encodeSteps('-c:v', 'libvpx-vp9', '-g', '10', '-deadline', 'realtime', '-cpu-used', '8'), true),
  )
  const ports = { ffmpeg: { path: 'ffmpeg' }, clock: systemClock }
  server = new OriginServer(
    { host: '127.0.0.1', port: 0 },
    {
      publications: {
        find: (locatorId) => {
          const view = views.get(locatorId)?.presentation
          return view && { locatorId, manifestName: 'media', view }
        },
      },
      fragments: { read: () => undefined },
      segments: {
        read: (id, rendition, sequence, range, signal) => {
          const recording = [...views.values()].find(({ presentation }) => presentation.header.id === id)
          return recording!.source.read(id, rendition, sequence, range, signal)
        },
      },
      observer: { started: () => undefined, request: () => undefined },
      pictures: (wish, signal) => {
        made.push(wish.width)
        return encodeJpeg(wish, ports, signal)
      },
    },
  )
  origin = `http://127.0.0.1:${(await server.start()).port}`
}, 60_000)

afterAll(() => server?.stop())

/** Lightness of the picture in a rectangle, and the size of the whole. */
async function look(path: string, crop = 'null'): Promise<{ light: number; size: string; response: Response }> {
  const response = await fetch(`${origin}${path}`)
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  expect(response.headers.get('content-type')).toBe('image/jpeg')
  const input = Buffer.from(await response.arrayBuffer())
  const filter = ['-vf', `${crop},scale=1:1,format=gray`, '-f', 'rawvideo', 'pipe:1']
  const [full] = execFileSync('ffmpeg', ['-v', 'error', '-f', 'mjpeg', '-i', 'pipe:0', ...filter], { input })
  // SOF0 (ITU-T T.81 §B.2.2): height and width stand behind the precision.
  const frame = input.indexOf(Buffer.from([0xff, 0xc0]))
  const size = `${input.readUInt16BE(frame + 7)},${input.readUInt16BE(frame + 5)}`
  // A JPEG's luminance goes from 0 to 255, a video's from 16 to 235.
  return { light: 16 + ((full ?? 0) * 219) / 255, size, response }
}

describe('a thumbnail', () => {
  it.each(['done', 'live', 'vp9'])(
    'is the key frame next to a time, as wide as it is asked for (%s)',
    async (locator) => {
      for (const [seconds, shown] of [
        [0, 0],
        [10.4, 10],
        [11.4, 12],
        [500, 58],
      ] as const) {
        const { light, size } = await look(`/${locator}/media.ism/thumbnail(time=${seconds}, width=160)`)
        expect(Math.abs(light - luminance(shown))).toBeLessThan(3)
        expect(size).toBe('160,90')
      }
      expect((await look(`/${locator}/media.ism/thumbnail(time=2)`)).size).toBe('320,180')
      expect((await look(`/${locator}/media.ism/Thumbnail(width=1920)`)).size).toBe('320,180')
    },
  )

  it('is found by its wall clock, has a validator, and is made once', async () => {
    const start = views.get('live')!.startSeconds
    const path = `/live/media.ism/thumbnail(time=${new Date((start + 20) * 1_000).toISOString()},width=64)`
    const count = made.length
    const [first, second] = await Promise.all([look(path), look(path)])
    expect(Math.abs(first.light - luminance(20))).toBeLessThan(3)
    expect(made.length).toBe(count + 1)
    const etag = second.response.headers.get('etag') ?? ''
    const again = await fetch(`${origin}${path}`, { headers: { 'if-none-match': etag } })
    expect(again.status).toBe(304)
  })

  it.each(['time=-1', 'time=x', 'width=15', 'width=2000', 'width=2.5', 'high=3', 'time=1,time=2'])(
    'is not made of %s',
    async (options) => {
      expect((await fetch(`${origin}/done/media.ism/thumbnail(${options})`)).status).toBe(400)
    },
  )
})

describe('sprites', () => {
  it('have the picture of each time where the track says that it is', async () => {
    const response = await fetch(`${origin}/done/thumbnails.vtt`)
    expect(response.headers.get('content-type')).toBe('text/vtt; charset=utf-8')
    const text = await response.text()
    const cues = [...text.matchAll(/(\d\d):(\d\d):(\d\d\.\d{3}) --> .*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g)]
    expect(cues).toHaveLength(SECONDS / 2)
    for (const [, hours, minutes, seconds, uri, x, y, w, h] of cues.filter((_cue, at) => at % 9 === 0)) {
      const time = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)
      const path = new URL(uri ?? '', `${origin}/done/thumbnails.vtt`).pathname
      const { light, size } = await look(path, `crop=${w}:${h}:${x}:${y}`)
      expect([time, Math.abs(light - luminance(time)) < 4]).toEqual([time, true])
      expect(size).toBe('800,450')
    }
  })

  it('are an adaptation set of images, found by its numbers', async () => {
    const mpd = await (await fetch(`${origin}/done/index.mpd`)).text()
    const [, set = ''] = /<AdaptationSet([^>]*contentType="image"[\s\S]*?)<\/AdaptationSet>/.exec(mpd) ?? []
    const value = (name: string) => /"(.*)"/.exec(new RegExp(`[ \n]${name}="([^"]*)"`).exec(set)?.[0] ?? '')?.[1] ?? ''
    expect([value('mimeType'), value('width'), value('height'), value('value')]).toEqual([
      'image/jpeg',
      '800',
      '450',
      '5x5',
    ])
    const [number, offset, timescale] = ['startNumber', 'presentationTimeOffset', 'timescale'].map((name) =>
      Number(value(name)),
    )
    // Where the presentation begins there is the picture of its first second.
    const tile = Math.floor((offset! / timescale! / 2) % 25)
    const url = new URL(value('media').replace('$Number$', String(number)), `${origin}/done/index.mpd`)
    const crop = `crop=160:90:${(tile % 5) * 160}:${Math.floor(tile / 5) * 90}`
    expect(Math.abs((await look(url.pathname, crop)).light - luminance(0))).toBeLessThan(4)
    expect(await (await fetch(`${origin}/live/index.mpd`)).text()).not.toContain('image')
  })

  it.each(['done', 'live'])('of a part show the times of the part (%s)', async (locator) => {
    const { startSeconds } = views.get(locator) as Recording
    const iso = (seconds: number) => new Date((startSeconds + seconds) * 1_000).toISOString()
    const query = `?start=${iso(20)}&end=${iso(40)}`
    const mpd = await (await fetch(`${origin}/${locator}/index.mpd${query}`)).text()
    const [, set = ''] = /<AdaptationSet([^>]*contentType="image"[\s\S]*?)<\/AdaptationSet>/.exec(mpd) ?? []
    const [number, offset, timescale] = ['startNumber', 'presentationTimeOffset', 'timescale'].map((name) =>
      Number(new RegExp(`[ \n]${name}="(\\d+)"`).exec(set)?.[1]),
    ) as [number, number, number]
    const media = /media="([^"]*)"/.exec(set)?.[1] ?? ''
    const tile = Math.floor((offset / timescale / 2) % 25)
    const url = new URL(media.replace('$Number$', String(number)), `${origin}/${locator}/index.mpd`)
    const crop = (at: number) => `crop=160:90:${(at % 5) * 160}:${Math.floor(at / 5) * 90}`
    expect(Math.abs((await look(url.pathname, crop(tile))).light - luminance(20))).toBeLessThan(4)

    const track = await (await fetch(`${origin}/${locator}/thumbnails.vtt${query}`)).text()
    const cues = [...track.matchAll(/(\d\d:\d\d:\d\d\.\d{3}) --> .*\n(\S+)#xywh=(\d+),(\d+)/g)]
    expect([cues.length, cues[0]?.[1], cues.at(-1)?.[1]]).toEqual([10, '00:00:00.000', '00:00:18.000'])
    const [, , uri = '', x, y] = cues[7] ?? []
    const path = new URL(uri, `${origin}/${locator}/thumbnails.vtt`).pathname
    expect(Math.abs((await look(path, `crop=160:90:${x}:${y}`)).light - luminance(34))).toBeLessThan(4)
    expect(new Set(mpd.match(/<AdaptationSet id="\d+"/g)).size).toBe(mpd.match(/<AdaptationSet/g)?.length)
  })

  it('are named by a track only when the whole is there, and are found nowhere else', async () => {
    expect((await fetch(`${origin}/live/thumbnails.vtt`)).status).toBe(412)
    const track = await (await fetch(`${origin}/done/thumbnails.vtt`)).text()
    const [sprite = ''] = /c\/\S+\.jpg/.exec(track) ?? []
    expect((await fetch(`${origin}/done/${sprite.replace(/\d+\.jpg/, '7.jpg')}`)).status).toBe(404)
    expect((await fetch(`${origin}/done/${sprite.replace(/\d+\.jpg/, 'x.jpg')}`)).status).toBe(404)
  })
})
