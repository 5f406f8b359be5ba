import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChannelHouse, feed, keyOf, openPublisher, publishMessages, startChannels } from '../support/channels.ts'
import { publish, run, startFfmpeg, testSource } from '../support/ffmpeg.ts'
import { type EncodedTrack, encode, picture, tone } from '../support/flv-encoded.ts'
import type { FlvMessage } from '../support/flv-file.ts'
import { interleave, legacyMessages } from '../support/flv-publish.ts'
import { temporaryFolder } from '../support/headend.ts'
import { fetchBytes, fetchMedia, type ListedSegment, until } from '../support/playlist.ts'
import { RtmpRefused } from '../support/rtmp-publisher.ts'
import { readMpd, readServed, type ServedPresentation, type ServedRendition } from '../support/served.ts'

/** Who may publish where, and what viewers see when publishers come, go, take over, and when the server restarts. */

const GOP = ['-bf', '2', '-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-pix_fmt', 'yuv420p']
const SECONDS = 8
const both = interleave(
  legacyMessages(
    encode([...picture('160x90', '25', SECONDS), '-c:v', 'libx264', '-preset', 'veryfast', '-threads', '1', ...GOP])
      .tracks[0] as EncodedTrack,
  ),
  legacyMessages(encode([...tone(44_100, 2, SECONDS), '-c:a', 'aac']).tracks[0] as EncodedTrack),
)

function firstSeconds(seconds: number): FlvMessage[] {
  return both.filter(({ timestampMs }) => timestampMs < seconds * 1_000)
}

function shifted(messages: readonly FlvMessage[], byMs: number): FlvMessage[] {
  return messages.map((message) => ({ ...message, timestampMs: message.timestampMs + byMs }))
}

/** The same once more, without the sequence headers, to go on with. */
const again = shifted(both.slice(2), SECONDS * 1_000)

let house: ChannelHouse
let server = ''

beforeAll(async () => {
  house = await startChannels({
    layers: {},
    busy: {},
    taken: { channel: { takeover: 'replace' } },
    queries: {},
    closed: { channel: { allowIp: [] } },
    away: {},
  })
  server = `rtmp://127.0.0.1:${house.headend.rtmpPort}/live`
})
afterAll(() => house.headend.stop())

/** The presentation once its video has so many segments with media. */
function playing(hlsUrl: string, segments: number): Promise<ServedPresentation> {
  return until(
    `${segments} segments`,
    30_000,
    () => readServed(hlsUrl),
    ({ renditions }) => renditions.length > 0 && renditions.every((rendition) => rendition.segments.length >= segments),
  )
}

function videoOf({ renditions }: ServedPresentation): ServedRendition {
  const video = renditions.find(({ kind }) => kind === 'video')
  if (!video) throw new Error('no video is listed')
  return video
}

/** The rest of an ffmpeg that publishes for a second at most, where it is let. */
function tryToPublish(url: string) {
  return publish(url, { size: '64x36', seconds: 1, audio: false }).finished
}

/** On channels of their own, side by side. */
describe.concurrent('layers', () => {
  it('publish side by side, cut at the same instants, with one audio', async () => {
    const { key, hlsUrl } = house.at('layers')
    const large = testSource({ size: '160x90' })
    const encoder = startFfmpeg([
      ...large,
      ...['-f', 'flv', `${server}/${key}/high`],
      ...['-map', '0:v', '-map', '1:a', '-c:v', 'libx264', '-preset', 'ultrafast', '-s', '80x44', ...GOP],
      ...['-c:a', 'aac', '-f', 'flv', `${server}/${key}/low`],
    ])
    const served = await playing(hlsUrl, 3)
    await encoder.stop()
    expect(served.attributes.map((text) => /RESOLUTION=(\w+)/.exec(text)?.[1]).sort()).toEqual(['160x90', '80x44'])
    const videos = served.renditions.filter(({ kind }) => kind === 'video')
    expect(served.renditions).toHaveLength(3)
    const cuts = videos.map(({ segments }) =>
      segments.map(({ sequence, duration, url }) => `${sequence} ${duration} ${/(\d+)\.m4s/.exec(url)?.[1]}`),
    )
    const shared = Math.min(...cuts.map(({ length }) => length))
    expect(cuts[1]?.slice(0, shared)).toEqual(cuts[0]?.slice(0, shared))
  })

  it('are busy by name: the second encoder is refused and its ffmpeg says why', async () => {
    const { key, hlsUrl } = house.at('busy')
    const first = publish(`${server}/${key}`, { size: '64x36', audio: false })
    await playing(hlsUrl, 1)
    const second = await tryToPublish(`${server}/${key}`)
    expect(second.code).not.toBe(0)
    expect(second.stderr).toContain('Another encoder is publishing to this input.')
    // The first one lost nothing.
    const before = videoOf(await readServed(hlsUrl))
    const after = videoOf(await playing(hlsUrl, before.segments.length + 1))
    expect(after.playlist.segments.every(({ gap, discontinuitySequence }) => !gap && discontinuitySequence === 0)).toBe(
      true,
    )
    await first.stop()
  })

  it('are taken over where the channel says so: the old encoder is told, viewers see one discontinuity', async () => {
    const { key, hlsUrl } = house.at('taken')
    const old = await openPublisher(house.headend, key)
    await feed(old, firstSeconds(4))
    await playing(hlsUrl, 1)
    await publishMessages(house.headend, key, both)
    await old.closed
    expect(old.statuses.map(({ level, description }) => `${level}: ${description}`).at(-1)).toMatch(
      /error: .*(replaced|another encoder|took over)/i,
    )
    const { playlist, segments } = videoOf(await playing(hlsUrl, 6))
    expect(new Set(playlist.segments.map(({ discontinuitySequence }) => discontinuitySequence))).toEqual(
      new Set([0, 1]),
    )
    expect(new Set(segments.map(({ initUrl }) => initUrl)).size).toBe(1)
  })
})

describe('keys', () => {
  it.each([
    { app: 'live', streamName: keyOf('queries') },
    { app: `live/${keyOf('queries')}`, streamName: 'default' },
    { app: 'live', streamName: `camera?key=${keyOf('queries')}` },
    { app: `live?key=${keyOf('queries')}`, streamName: 'camera' },
    { app: 'live', streamName: `?key=${keyOf('queries')}` },
  ])('are taken as $app and $streamName', async (name) => {
    const publisher = await openPublisher(house.headend, '', name)
    await publisher.close()
  })

  it('are refused where they are unknown, and ffmpeg says so', async () => {
    const { code, stderr } = await tryToPublish(`${server}/no-such-key`)
    expect(code).not.toBe(0)
    expect(stderr).toContain('The stream key is not known here.')
    const styles = [
      { app: 'live', streamName: 'camera?key=no-such-key' },
      { app: 'live/no-such-key', streamName: 'camera' },
      { app: 'live?key=no-such-key', streamName: 'camera' },
    ]
    for (const name of styles) await expect(openPublisher(house.headend, '', name)).rejects.toThrow(RtmpRefused)
  })

  it('let nobody in whom an empty list of addresses keeps out', async () => {
    const { code, stderr } = await tryToPublish(`${server}/${house.at('closed').key}`)
    expect(code).not.toBe(0)
    expect(stderr).toContain('not allowed')
  })

  it('do not open the door to players', async () => {
    const { code, stderr } = await run('ffmpeg', [
      '-v',
      'warning',
      '-i',
      `${server}/${house.at('away').key}`,
      '-f',
      'null',
      '-',
    ])
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/play/i)
  })
})

/** The dates in a playlist are those that its durations add up to: nothing is missing, not even over the gaps. */
function expectContinuousDates(segments: readonly ListedSegment[], text: string): void {
  let dueMs = segments[0]?.programDateTimeMs ?? 0
  for (const { programDateTimeMs, duration } of segments) {
    if (programDateTimeMs !== undefined) expect(Math.abs(programDateTimeMs - dueMs), text).toBeLessThan(350)
    dueMs = (programDateTimeMs ?? dueMs) + duration * 1_000
  }
}

/** They wait for real time, each on a channel or a server of its own. */
describe.concurrent('what comes and goes', () => {
  describe('an encoder that goes away', () => {
    it('leaves gaps on the grid, and comes back with one discontinuity under the same init segment', async () => {
      const { key, hlsUrl } = house.at('away')
      const encoder = await openPublisher(house.headend, key)
      await feed(encoder, firstSeconds(4.5), true)
      await encoder.close()
      const { url } = videoOf(await readServed(hlsUrl))
      await until(
        'two gaps',
        15_000,
        () => fetchMedia(url),
        ({ segments }) => segments.filter(({ gap }) => gap).length >= 2,
      )
      await publishMessages(house.headend, key, firstSeconds(6), { realTime: true })
      const { renditions } = await until(
        'the return',
        15_000,
        () => readServed(hlsUrl),
        (served) => videoOf(served).segments.filter((segment) => segment.discontinuitySequence === 1).length >= 3,
      )
      for (const { playlist, text } of renditions) {
        const { segments } = playlist
        const gaps = segments.filter(({ gap }) => gap)
        const returned = segments.findIndex(({ discontinuitySequence }) => discontinuitySequence === 1)
        const between = segments.slice(
          segments.findIndex(({ gap }) => gap),
          returned,
        )
        expect(
          between.every(({ gap }) => gap),
          text,
        ).toBe(true)
        for (const { duration } of gaps) expect(duration).toBeLessThanOrEqual(2)
        // After the first, which fills up the grid's cell, each takes one cell.
        for (const { duration } of between.slice(1, -1)) expect(duration).toBe(2)
        expect(new Set(segments.map(({ discontinuitySequence }) => discontinuitySequence))).toEqual(new Set([0, 1]))
        expect(new Set(segments.map(({ initUrl }) => initUrl)).size).toBe(1)
        expectContinuousDates(segments, text)
      }
    })
  })

  describe('a program that stops', () => {
    it('ends its playlists with the segments they had, and its MPD becomes static; all can still be fetched', async () => {
      const stopAt = new Date(Date.now() + 12_000).toISOString()
      const own = await startChannels({ stopping: { program: { stopAt } } })
      const { key, hlsUrl, dashUrl } = own.at('stopping')
      const encoder = await openPublisher(own.headend, key)
      const sent = feed(encoder, [...both, ...again, ...shifted(again, SECONDS * 1_000)], true)
      const before = await playing(hlsUrl, 1)
      expect(videoOf(before).playlist.ended).toBe(false)
      expect((await readMpd(dashUrl)).text).toContain('type="dynamic"')
      const after = await until(
        'the end',
        30_000,
        () => readServed(hlsUrl),
        ({ renditions }) => renditions.every(({ playlist }) => playlist.ended),
      )
      expect(after.renditions.map(({ url }) => url)).toEqual(before.renditions.map(({ url }) => url))
      const urlsOf = ({ segments }: ServedRendition) => segments.map(({ url }) => url)
      for (const [index, rendition] of before.renditions.entries()) {
        const listed = after.renditions[index] as ServedRendition
        expect(urlsOf(listed).slice(0, rendition.segments.length)).toEqual(urlsOf(rendition))
        for (const { url, initUrl } of listed.segments) {
          expect((await fetchBytes(url)).byteLength).toBeGreaterThan(100)
          expect((await fetchBytes(initUrl ?? '')).byteLength).toBeGreaterThan(100)
        }
      }
      // The encoder publishes on, to a channel without programs: what has ended stays as it is.
      const closed = () => own.headend.metric('headend_segmenter_segments_total')
      const atEnd = await closed()
      await until('another segment', 15_000, closed, (now) => now > atEnd)
      expect((await readServed(hlsUrl)).renditions.map(({ text }) => text)).toEqual(
        after.renditions.map(({ text }) => text),
      )
      const { text, manifest } = await readMpd(dashUrl)
      expect(text).toContain('type="static"')
      expect(manifest.endList).toBe(true)
      expect(manifest.playlists[0]?.segments).toHaveLength(videoOf(after).segments.length)
      for (const { uri } of manifest.playlists[0]?.segments ?? []) {
        expect((await fetch(new URL(uri, dashUrl))).status).toBe(200)
      }
      await encoder.close()
      await sent
      await own.headend.stop()
    })
  })
})

describe.concurrent('a server that starts again on its data', () => {
  it.each(['in order', 'after kill -9'])('goes on with keys, URLs and numbers: %s', async (way) => {
    const dataDir = temporaryFolder()
    const plans = { again: {} }
    const contents = new Map<string, Uint8Array>()
    let newestSequence = -1
    let known = 0
    let discontinuitySequence = -1
    let playlistPath: string | undefined
    try {
      for (let round = 0; round < 3; round++) {
        const node = await startChannels(plans, { dataDir })
        const { key, hlsUrl } = node.at('again')
        // What was recorded is there as it was.
        for (const [path, bytes] of contents) {
          expect(Buffer.compare(await fetchBytes(new URL(path, hlsUrl).href), bytes)).toBe(0)
        }
        await publishMessages(node.headend, key, both)
        const served = await playing(hlsUrl, 4 + known)
        const { url, playlist } = videoOf(served)
        const segments = playlist.segments.filter(({ sequence, gap }) => sequence > newestSequence && !gap)
        known += segments.length
        playlistPath ??= new URL(url).pathname
        expect(new URL(url).pathname).toBe(playlistPath)
        expect(playlist.mediaSequence).toBe(0)
        expect(segments.length).toBeGreaterThanOrEqual(4)
        expect(segments[0]?.discontinuitySequence).toBeGreaterThan(discontinuitySequence)
        for (const rendition of served.renditions) {
          for (const segment of rendition.segments) {
            for (const address of [segment.url, segment.initUrl ?? '']) {
              const bytes = await fetchBytes(address)
              const { pathname } = new URL(address)
              const before = contents.get(pathname)
              if (before) expect(Buffer.compare(before, bytes)).toBe(0)
              contents.set(pathname, bytes)
            }
          }
        }
        if (way === 'in order') expect(await node.headend.stop()).toBe(0)
        else await node.headend.kill()
        newestSequence = playlist.segments.at(-1)?.sequence ?? -1
        discontinuitySequence = playlist.segments.at(-1)?.discontinuitySequence ?? -1
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})
