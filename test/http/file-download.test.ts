import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { OriginFile, UnopenedFiles } from '../../src/origin/ports.ts'
import { FakeLive, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

const content = randomBytes(3 * 2 ** 20 + 17)

/** An origin that publishes files. */
async function origin(terms: Partial<UnopenedFiles> = {}, open: UnopenedFiles['files']['open'] = broken) {
  const live = new FakeLive()
  const reads: number[] = []
  let isGone = false
  const file = (name: string, contentType: string): OriginFile => ({
    ...{ name, contentType, sizeBytes: content.byteLength, digest: `d-${name.toLowerCase()}` },
    async read({ first, last }) {
      reads.push(last - first + 1)
      return isGone ? undefined : content.subarray(first, last + 1)
    },
  })
  const files = [file('Film.mp4', 'video/mp4'), file('Küche 1.MOV', 'video/quicktime'), file('film.mp4', 'video/mp4')]
  const empty = { ...file('empty.m4a', 'audio/mp4'), sizeBytes: 0 }
  const found: UnopenedFiles = {
    ...{ locatorId: 'loc-1', manifestName: 'Film' },
    files: { files: [...files, empty], open },
    ...terms,
  }
  const publications = { find: (locatorId: string) => (locatorId === 'loc-1' ? found : undefined) }
  const clock = new VirtualClock(1_800_000_000_000)
  const { server, base } = await startOrigin(live, {}, { publications, clock })
  stops.push(() => server.stop())
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    rawRequest(`${base}/loc-1/${path}`, { headers, method })
  const remove = () => {
    isGone = true
  }
  return { get, reads, live, delete: remove }
}

async function broken(): Promise<never> {
  throw new AppError('FILE_UNPLAYABLE', 'This can’t be played: moov at byte 12: nothing in it')
}

describe('an uploaded file', () => {
  it('is given as it is, whatever can be played of it', async () => {
    const { get, reads, live } = await origin()
    const answer = await get('Film.mp4')
    expect(answer.status).toBe(200)
    expect(answer.body.equals(content)).toBe(true)
    expect(answer.headers).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': String(content.byteLength),
      'content-disposition': 'attachment; filename="Film.mp4"',
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=60',
      etag: '"d-film.mp4"',
    })
    expect(Math.max(...reads)).toBe(2 ** 20)
    expect(live.requests).toEqual([{ kind: 'download', status: 200, bytes: content.byteLength }])
  })

  it('is found by its name, in whichever case, in its own case first', async () => {
    const { get } = await origin()
    const disposition = async (path: string) => (await get(path, {}, 'HEAD')).headers['content-disposition']
    expect(await disposition('film.mp4')).toBe('attachment; filename="film.mp4"')
    expect(await disposition('Film.mp4')).toBe('attachment; filename="Film.mp4"')
    expect(await disposition('FILM.mp4')).toBe('attachment; filename="Film.mp4"')
    expect(await disposition('k%C3%BCche%201.mov')).toBe(
      `attachment; filename="K_che 1.MOV"; filename*=UTF-8''K%C3%BCche%201.MOV`,
    )
    for (const path of ['other.mp4', 'Film.mov', 'Film', 'Film.txt', 'a/Film.mp4']) {
      expect((await get(path)).status, path).toBe(404)
    }
    const empty = await get('empty.m4a')
    expect([empty.status, empty.body.byteLength, empty.headers['content-length']]).toEqual([200, 0, '0'])
  })

  it('is given in ranges and by its validator, and no more of it is read than is sent', async () => {
    const { get, reads } = await origin()
    const etag = '"d-film.mp4"'
    const part = await get('Film.mp4', { range: 'bytes=1048570-1048580' })
    expect([part.status, part.headers['content-range']]).toEqual([206, `bytes 1048570-1048580/${content.byteLength}`])
    expect(part.body.equals(content.subarray(1_048_570, 1_048_581))).toBe(true)
    expect(reads).toEqual([11])
    const tail = await get('Film.mp4', { range: 'bytes=-20' })
    expect(tail.body.equals(content.subarray(-20))).toBe(true)
    const resumed = await get('Film.mp4', { range: 'bytes=100-', 'if-range': etag })
    expect(resumed.body.equals(content.subarray(100))).toBe(true)
    reads.length = 0
    expect((await get('Film.mp4', { range: 'bytes=5-9', 'if-range': '"other"' })).status).toBe(200)
    reads.length = 0
    expect((await get('Film.mp4', { 'if-none-match': etag })).status).toBe(304)
    expect((await get('Film.mp4', { range: `bytes=${content.byteLength}-` })).status).toBe(416)
    expect((await get('Film.mp4', {}, 'HEAD')).headers['content-length']).toBe(String(content.byteLength))
    expect(reads).toEqual([])
  })

  it('that is deleted while it is sent is cut, not padded', async () => {
    const gone = await origin()
    gone.delete()
    await expect(gone.get('Film.mp4')).rejects.toThrow()
  })

  it('is given within the terms of its locator alone, which hold before anything is opened', async () => {
    const now = 1_800_000_000_000
    let opened = 0
    const open = async () => {
      opened++
      return broken()
    }
    for (const terms of [{ notAfterMs: now }, { notBeforeMs: now + 1 }, { allowIp: ['192.0.2.1'] }]) {
      const { get } = await origin(terms, open)
      const status = 'allowIp' in terms ? 403 : 404
      for (const path of ['Film.mp4', 'index.m3u8', 'Film.ism/manifest(format=mpd-time-cmaf)']) {
        expect((await get(path)).status).toBe(status)
      }
    }
    expect(opened).toBe(0)
    const filtered = await origin({ filters: ['first-minute'] })
    expect((await filtered.get('Film.mp4')).status).toBe(404)
    const { get } = await origin({ notAfterMs: now + 5_500, allowIp: ['127.0.0.1'] })
    expect((await get('Film.mp4', {}, 'HEAD')).headers['cache-control']).toBe('private, max-age=5')
  })
})

describe('uploaded files as a presentation', () => {
  it('are what the manifests are made of', async () => {
    const live = new FakeLive().addTracks().addSegments(4)
    live.presentation.apply({ type: 'ended' })
    const { get } = await origin({}, async () => live.presentation)
    const master = (await get('film.ISM/manifest(format=m3u8-cmaf)')).body.toString()
    expect(master).toContain('../c/')
    expect((await get('index.mpd')).status).toBe(200)
    expect((await get('other.ism/manifest(format=m3u8-cmaf)')).status).toBe(404)
    const playlist = await get(/^\.\.\/(c\/.*m3u8)$/m.exec(master)?.[1] ?? '')
    expect(playlist.body.toString()).toContain('#EXT-X-ENDLIST')
  })

  it('that can’t be played are told as that', async () => {
    const { get } = await origin()
    const answer = await get('index.m3u8')
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      type: 'urn:headend:problem:file-unplayable',
      detail: 'This can’t be played: moov at byte 12: nothing in it',
    })
  })
})
