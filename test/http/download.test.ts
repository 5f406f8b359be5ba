import { once } from 'node:events'
import { request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type OriginOptions, OriginServer } from '../../src/origin/origin-server.ts'
import type { RequestKind, SegmentSource } from '../../src/origin/ports.ts'
import { certificate } from '../support/certificate.ts'
import { planOf } from '../support/downloaded.ts'
import { encodeAudio, encodeVideo, type Media, Recording, type RecordingOptions } from '../support/recording.ts'
import { until } from '../support/until.ts'
import { rawRequest } from './raw-request.ts'

const video = encodeVideo(6)
const small = encodeVideo(6, '64x48')
const audio = encodeAudio(6)

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

function recorded(options: RecordingOptions = {}): Recording {
  const stretches = [
    { rendition: 'video-1', media: small, atSeconds: 0 },
    { rendition: 'video-2', media: video, atSeconds: 0 },
    { rendition: 'audio-1', media: audio, atSeconds: 0 },
  ]
  return new Recording(stretches, options)
}

/** One picture a frame, of as many bytes as are wanted: far more than sockets hold. */
function heavy(seconds: number, frameBytes: number): Recording {
  const data = new Uint8Array(frameBytes)
  const samples = Array.from({ length: seconds * 10 }, (_, at) => ({
    ...{ dtsTicks: at * 9_000, durationTicks: 9_000, compositionTicks: 0, independent: at % 10 === 0 },
    data,
  }))
  const media: Media = { config: video.config, samples }
  return new Recording([{ rendition: 'video-1', media, atSeconds: 0 }])
}

type Served = {
  readonly base: string
  readonly port: number
  readonly requests: { kind: RequestKind; status: number; bytes: number }[]
}

async function origin(
  recording: Recording,
  options: Partial<OriginOptions> = {},
  segments: SegmentSource = recording.source,
  hasEnded = true,
): Promise<Served> {
  if (hasEnded && !recording.presentation.ended) recording.presentation.apply({ type: 'ended' })
  const requests: Served['requests'] = []
  const published = { locatorId: 'loc-1', manifestName: 'News', view: recording.presentation }
  const server = new OriginServer(
    { host: '127.0.0.1', port: 0, ...options },
    {
      publications: { find: (locatorId) => (locatorId === 'loc-1' ? published : undefined) },
      fragments: { read: () => undefined },
      segments,
      observer: {
        started: () => undefined,
        request: (kind, status, bytes) => void requests.push({ kind, status, bytes }),
      },
    },
  )
  const { port } = await server.start()
  running.push(server)
  return { base: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}/loc-1`, port, requests }
}

const get = (url: string, headers: Record<string, string> = {}) => rawRequest(url, { headers })
const problem = (body: Buffer) => JSON.parse(body.toString()) as { type: string; detail: string }

describe('a recording as one file', () => {
  it('is the best picture and the sound under the name of the manifest, and each rendition under its own', async () => {
    const recording = recorded()
    const { base, requests } = await origin(recording)
    for (const [path, names, type] of [
      ['news.mp4', ['video-2', 'audio-1'], 'video/mp4'],
      ['News.MP4?video=video-1&x=1', ['video-1', 'audio-1'], 'video/mp4'],
      ['video-1.mp4', ['video-1'], 'video/mp4'],
      ['audio-1.mp4', ['audio-1'], 'audio/mp4'],
    ] as const) {
      const expected = await (await planOf(recording, names)).bytes()
      const answer = await get(`${base}/${path}`)
      expect(answer.status).toBe(200)
      expect(answer.body.equals(expected)).toBe(true)
      expect(answer.headers).toMatchObject({
        'content-type': type,
        'content-length': String(expected.byteLength),
        'accept-ranges': 'bytes',
        'cache-control': 'public, max-age=60',
      })
    }
    expect(requests.map(({ kind, status }) => `${kind} ${status}`)).toEqual(Array(4).fill('download 200'))
  })

  it('is saved under a name that says what it is', async () => {
    const { base } = await origin(recorded())
    const name = async (path: string) => (await get(`${base}/${path}`)).headers['content-disposition']
    expect(await name('news.mp4')).toBe('attachment; filename="News-20251009T085320Z.mp4"')
    expect(await name('audio-1.mp4')).toBe('attachment; filename="News-20251009T085320Z-audio-1.mp4"')
    expect(await name('news.mp4?video=video-1')).toBe(
      'attachment; filename="News-20251009T085320Z-video-1-audio-1.mp4"',
    )
  })

  it('comes in ranges, and is resumed by its ETag', async () => {
    const recording = recorded()
    const { base } = await origin(recording)
    const url = `${base}/news.mp4`
    const head = await rawRequest(url, { method: 'HEAD', headers: { Range: 'bytes=0-1' } })
    const whole = await get(url)
    const sizeBytes = whole.body.byteLength
    expect(head.status).toBe(200)
    expect(head.body).toHaveLength(0)
    expect(head.headers['content-length']).toBe(String(sizeBytes))
    const etag = String(whole.headers.etag)
    expect(head.headers.etag).toBe(etag)
    for (const [range, first, last] of [
      ['bytes=0-0', 0, 0],
      ['bytes=100-4999', 100, 4_999],
      [`bytes=${sizeBytes - 50_000}-`, sizeBytes - 50_000, sizeBytes - 1],
      ['bytes=-7', sizeBytes - 7, sizeBytes - 1],
    ] as const) {
      const part = await get(url, { Range: range, 'If-Range': etag })
      expect(part.status).toBe(206)
      expect(part.headers['content-range']).toBe(`bytes ${first}-${last}/${sizeBytes}`)
      expect(part.body.equals(whole.body.subarray(first, last + 1))).toBe(true)
    }
    expect((await get(url, { Range: `bytes=${sizeBytes}-` })).status).toBe(416)
    expect((await get(url, { Range: 'bytes=0-1', 'If-Range': '"other"' })).status).toBe(200)
    const same = await get(url, { 'If-None-Match': etag })
    expect([same.status, same.body.byteLength]).toEqual([304, 0])
    // What players do not see changes nothing: a download goes on over it.
    recording.presentation.apply({ type: 'archived' })
    expect((await get(url)).headers.etag).toBe(etag)
    expect((await get(`${base}/video-1.mp4`)).headers.etag).not.toBe(etag)
    recording.presentation.apply({ type: 'lost', firstSequence: 0, endSequence: 1 })
    expect((await get(url)).headers.etag).not.toBe(etag)
  })

  it('is not there while it is being recorded, and says so', async () => {
    const recording = recorded()
    const { base } = await origin(recording, {}, recording.source, false)
    const early = await get(`${base}/news.mp4`)
    expect(early.status).toBe(409)
    expect(problem(early.body)).toMatchObject({ type: 'urn:headend:problem:download-not-yet' })
    expect(early.headers['cache-control']).toBe('no-store')
    recording.presentation.apply({ type: 'ended' })
    expect((await get(`${base}/news.mp4`)).status).toBe(200)
  })

  it.each([
    ['other.mp4', 404, /no file of this name/],
    ['news.mp4?video=video-9', 404, /video-1, video-2/],
    ['news.mp4?audio=video-1', 404, /audio-1/],
    ['news.mp4?video=video-1&video=video-2', 400, /twice/],
    ['video-1.mp4?audio=audio-1', 400, /one rendition/],
  ])('%s is %i', async (path, status, detail) => {
    const { base } = await origin(recorded())
    const answer = await get(`${base}/${path}`)
    expect(answer.status).toBe(status)
    expect(problem(answer.body).detail).toMatch(detail)
  })

  it('is indexed once for all that ask for it, and given up when nobody does any more', async () => {
    const recording = recorded()
    const opened = Promise.withResolvers<void>()
    const signals: AbortSignal[] = []
    let reads = 0
    const { base } = await origin(
      recording,
      {},
      {
        read: async (...asked) => {
          reads++
          signals.push(asked[4])
          await opened.promise
          return recording.source.read(...asked)
        },
      },
    )
    const left = request(`${base}/audio-1.mp4`, { method: 'HEAD' }).end()
    left.on('error', () => undefined)
    await until(() => reads === 4)
    left.destroy()
    await until(() => signals.every(({ aborted }) => aborted))
    const many = Promise.all(Array.from({ length: 5 }, () => rawRequest(`${base}/video-1.mp4`, { method: 'HEAD' })))
    await until(() => reads === 7)
    opened.resolve()
    expect((await many).map(({ status }) => status)).toEqual(Array(5).fill(200))
    expect(reads).toBe(7)
    expect((await get(`${base}/video-1.mp4`, { Range: 'bytes=0-999' })).status).toBe(206)
    expect(reads).toBe(7)
  })

  it('that has lost a segment since is 410, and cut off where the loss shows in the middle', async () => {
    const recording = recorded()
    recording.bytes.delete('2/1')
    const { base, requests } = await origin(recording)
    expect((await get(`${base}/audio-1.mp4`)).status).toBe(410)
    expect((await get(`${base}/video-1.mp4`)).status).toBe(200)
    recording.bytes.delete('0/2')
    await expect(get(`${base}/video-1.mp4`)).rejects.toThrow(/aborted|hang up|reset/)
    await until(() => requests.length === 3)
    expect(requests.at(-1)).toEqual({ kind: 'download', status: 499, bytes: 0 })
  })

  it('whose segments are damaged is an error of the server', async () => {
    const recording = recorded()
    recording.bytes.get('0/1')!.fill(0)
    const { base } = await origin(recording)
    const answer = await get(`${base}/video-1.mp4`)
    expect(answer.status).toBe(500)
    expect(problem(answer.body).type).toBe('urn:headend:problem:internal')
  })

  it('comes over HTTP/2', async () => {
    const { key, cert } = certificate('localhost')
    const recording = recorded()
    const { port } = await origin(recording, { tls: { key, cert } })
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    const stream = session.request({ ':path': '/loc-1/news.mp4' })
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [headers] = await once(stream, 'response')
    await once(stream, 'end')
    session.close()
    const expected = await (await planOf(recording, ['video-2', 'audio-1'])).bytes()
    expect(headers[':status']).toBe(200)
    expect(Buffer.concat(chunks).equals(expected)).toBe(true)
  })
})

describe('a client', () => {
  /** 80 MB: more than the sockets of both sides take. */
  const recording = heavy(20, 400_000)
  recording.presentation.apply({ type: 'ended' })

  async function stuck(served: Served) {
    await rawRequest(`${served.base}/video-1.mp4`, { method: 'HEAD' })
    recording.reads.length = 0
    const socket = connect(served.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET /loc-1/video-1.mp4 HTTP/1.1\r\nHost: a\r\n\r\n')
    let before = -1
    await until(() => {
      const isStill = recording.reads.length > 0 && recording.reads.length === before
      before = recording.reads.length
      return isStill
    })
    return socket
  }
  const readBytes = () => recording.reads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

  it('that takes nothing has nothing read for it beyond what sockets hold, and is cut in time', async () => {
    const served = await origin(recording, { limits: { sendGraceMs: 500, minBytesPerSecond: 10_000_000 } })
    const socket = await stuck(served)
    const taken = readBytes()
    expect(taken).toBeLessThan(40_000_000)
    await until(() => served.requests.at(-1)?.status === 499)
    expect(readBytes()).toBe(taken)
    socket.destroy()
  })

  it('that goes away ends the reading', async () => {
    const served = await origin(recording)
    const socket = await stuck(served)
    const taken = readBytes()
    socket.destroy()
    await until(() => served.requests.at(-1)?.status === 499)
    expect(readBytes()).toBe(taken)
  })

  it('counts for a window of the bytes on their way, not for all of the file', async () => {
    const served = await origin(recording, { limits: { inFlightBytes: 5_000_000 } })
    const first = await stuck(served)
    const second = await stuck(served)
    const busy = await get(`${served.base}/video-1.mp4`)
    expect(busy.status).toBe(503)
    first.destroy()
    second.destroy()
    await until(() => served.requests.filter(({ status }) => status === 499).length === 2)
    const whole = await get(`${served.base}/video-1.mp4`)
    expect(whole.body.byteLength).toBe(Number(whole.headers['content-length']))
  })
})
