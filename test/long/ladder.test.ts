import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { ladderFaults, watchLadder } from '../support/ladder-watch.ts'
import { playingVariant } from '../support/playlist.ts'

const WATCH_MS = 120_000

let headend: Headend

beforeAll(async () => {
  headend = await startHeadend({ args: ['--demo'] })
  await playingVariant(headend.quickstart.hlsUrl, 3)
})

afterAll(async () => {
  expect(await headend.stop()).toBe(0)
})

it('renditions are cut at identical times over two minutes, and the playlists tell the truth', async () => {
  const renditions = await watchLadder(headend.quickstart.hlsUrl, WATCH_MS)
  expect(renditions.length).toBeGreaterThanOrEqual(3)
  expect(await ladderFaults(renditions)).toEqual([])
  for (const { bytes, segments } of renditions) {
    expect(bytes.size).toBe(segments.size)
    expect(bytes.size).toBeGreaterThanOrEqual(WATCH_MS / 2_000)
  }
})

it('ffmpeg plays twenty seconds of both without a complaint', async () => {
  for (const url of [headend.quickstart.hlsUrl, headend.quickstart.dashUrl]) {
    const { code, stderr } = await run('ffmpeg', ['-v', 'warning', '-i', url, '-t', '20', '-f', 'null', '-'])
    // ffmpeg's HLS demuxer reads the init segment before every segment, and tells itself so.
    const lines = stderr.split('\n').filter((line) => line !== '' && !line.includes('Found duplicated MOOV Atom'))
    expect([code, ...lines], url).toEqual([0])
  }
})
