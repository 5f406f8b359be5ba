import { rmSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import { openCounted } from '../support/counted-watch.ts'
import { publish, run } from '../support/ffmpeg.ts'
import { temporaryFolder } from '../support/headend.ts'
import { type Frame, readFrames } from '../support/matrix/frames.ts'
import { outputs } from '../support/matrix/outputs.ts'
import { until } from '../support/playlist.ts'

const SECONDS = 16
const FRAMES_PER_SECOND = 25
const folder = temporaryFolder()

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The pictures that ffmpeg decodes of a live manifest, each with its checksum. */
async function watched(url: string): Promise<readonly Frame[]> {
  const reads = ['-v', 'error', '-nostdin', '-copyts', '-i', url, '-map', '0:v:0', '-frames:v']
  const exact = ['-fps_mode', 'passthrough', '-enc_time_base', '1:90000', '-f', 'framemd5', '-']
  const { stdout, stderr } = await run('ffmpeg', [...reads, String(SECONDS * FRAMES_PER_SECOND), ...exact])
  expect(stderr).toBe('')
  return stdout.split('\n').flatMap((line) => {
    const fields = line.split(',').map((field) => field.trim())
    return /^\d/.test(line) ? [{ time: Number(fields[2]) / 90_000, sum: fields[5] ?? '' }] : []
  })
}

/** Of live MPDs ffmpeg 5.1 reads segments again, whether they are counted or listed (`src/manifest/DESIGN.md`). */
it('gives ffmpeg every frame of a ladder of low latency once by HLS, while it is live', async () => {
  const { headend, dashUrl } = await openCounted()
  const encoder = publish(headend.publishUrl, { gopFrames: 50 })
  try {
    const status = async () => (await fetch(dashUrl)).status
    await until('the MPD', 30_000, status, (found) => found === 200)
    const base = dashUrl.replace(/index\.mpd$/, 'manifest.ism/manifest')
    const frames = await watched(`${base}(format=m3u8-cmaf)`)
    expect(frames).toHaveLength(SECONDS * FRAMES_PER_SECOND)
    const apart = frames.slice(1).map(({ time }, at) => time - (frames[at]?.time ?? 0))
    expect(Math.max(...apart)).toBeLessThan(0.0401)
    expect(Math.min(...apart)).toBeGreaterThan(0.0399)
    const { tracks } = await outputs['HLS CMAF'].collect(`${base}(format=m3u8-cmaf)`, folder)
    const videos = tracks.filter(({ kind }) => kind === 'video')
    const stored = await readFrames(videos.map(({ file }) => ({ files: [file], kind: 'video' as const })))
    // Which of them ffmpeg has read it doesn't say; their pictures differ.
    const sums = frames.map(({ sum }) => sum).join()
    const whole = stored.streams.map((stream) => stream.map(({ sum }) => sum).join())
    expect(whole.filter((all) => all.includes(sums))).toHaveLength(1)
  } finally {
    await encoder.stop()
    await headend.stop()
  }
})
