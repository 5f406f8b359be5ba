import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { parse } from 'mpd-parser'
import { expect, it } from 'vitest'
import { checkSegment } from '../../src/conformance/cmaf-rules.ts'
import { type CountedHouse, readNext, watchCounted } from '../support/counted-watch.ts'

/** What issue 5 demands of the clock in the pictures. */
const TARGET_S = 2.5
const TOLERANCE_S = 0.5
const FRAME_S = 0.04

/** Readers that nobody here wrote, and one that looks when what comes. */
async function readOtherwise({ dashUrl }: CountedHouse): Promise<void> {
  const mpd = await (await fetch(dashUrl)).text()
  const [video, audio, ffmpeg] = await Promise.all([
    readNext(dashUrl, mpd, 'video'),
    readNext(dashUrl, mpd, 'audio'),
    promisify(execFile)(
      'ffmpeg',
      [
        ...['-v', 'error', '-nostdin', '-i', dashUrl, '-t', '3'],
        ...['-map', '0:v:0', '-c', 'copy', '-f', 'framecrc', '-'],
      ],
      { maxBuffer: 2 ** 28 },
    ),
  ])
  for (const { bytes, chunks, firstS, lastS } of [video, audio]) {
    expect(checkSegment(bytes)).toEqual([])
    expect(chunks).toBeGreaterThanOrEqual(4)
    // The first chunk came long before the segment's end, and the last one soon after.
    expect(firstS).toBeLessThan(1.5)
    expect(lastS).toBeGreaterThan(1.9)
    expect(lastS).toBeLessThan(3.5)
  }
  // The grid: a picture begins within a frame of it; sound is cut at the nearest frame.
  expect(video.startS - video.nominalS).toBeGreaterThan(-3 * FRAME_S)
  expect(video.startS - video.nominalS).toBeLessThan(FRAME_S)
  expect(Math.abs(audio.startS - audio.nominalS)).toBeLessThan(2 * FRAME_S)
  // ffmpeg 5.1 counts numbers as if the first period began with the epoch, and reads a segment again until the next one is there.
  const frames = ffmpeg.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(new Set(frames).size).toBeGreaterThanOrEqual(70)
  expect(ffmpeg.stderr).toBe('')
  const { playlists } = parse(mpd, { manifestUri: dashUrl })
  expect(playlists.map(({ segments }) => segments.length > 0)).toEqual([true, true])
}

it('plays a ladder in Chromium two and a half seconds behind the clock in its pictures', async () => {
  const seen = await watchCounted(TARGET_S + TOLERANCE_S, 6, readOtherwise)
  const at = (share: number) => seen.ages[Math.floor((seen.ages.length - 1) * share)] ?? Number.NaN
  expect(seen.ages.length).toBeGreaterThan(20)
  expect(at(0.05)).toBeGreaterThan(TARGET_S - TOLERANCE_S)
  // A picture that a busy machine draws late is no latency: the next one is in time again.
  expect(at(0.5)).toBeLessThan(TARGET_S + TOLERANCE_S)
  expect(seen.shownS).toBeGreaterThan(1.5)
  expect(seen.shownS).toBeLessThan(TARGET_S + TOLERANCE_S)
  expect(seen.progress.stalls).toBe(0)
  expect(seen.complaints).toEqual([])
  const requests = (kind: string, status: number) =>
    Number(
      new RegExp(`origin_requests_total\\{kind="${kind}",status="${status}"\\} (\\d+)`).exec(seen.metrics)?.[1] ?? 0,
    )
  expect(requests('live-segment', 200)).toBeGreaterThan(5)
  for (const status of [404, 410, 412, 503]) expect([status, requests('live-segment', status)]).toEqual([status, 0])
})
