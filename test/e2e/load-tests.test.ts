import { resolve } from 'node:path'
import { describe, inject, it } from 'vitest'
import { run } from '../support/ffmpeg.ts'

const MAIN = resolve(import.meta.dirname, '../../load-tests/main.ts')
const loadTest = (...args: readonly string[]) => run(process.execPath, [MAIN, ...args])

const isLong = inject('cases') === 'all'

/** Quick runs judge nothing, so they may disturb each other. */
describe.concurrent('load tests', () => {
  it.runIf(isLong)('push streams to both servers and print what they cost', async ({ expect }) => {
    const { code, stdout, stderr } = await loadTest('rtmp-ingest', '--quick')
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/^headend +2 +\d/m)
    expect(stdout).toMatch(/^node-media-server +2 +\d/m)
    expect(stdout).toContain('no budget judged')
  })

  it.runIf(isLong)('make a ladder with Headend and with ffmpeg alone, and print what it costs', async ({ expect }) => {
    const { code, stdout, stderr } = await loadTest('transcode', '--quick', '--json')
    expect(code, stderr).toBe(0)
    const report = JSON.parse(stdout) as {
      samples: { side: string; cpuSecondsPerMinute: number }[]
      verdicts: unknown[]
    }
    expect(report.samples.map(({ side }) => side)).toEqual(['headend', 'ffmpeg'])
    for (const { cpuSecondsPerMinute } of report.samples) expect(cpuSecondsPerMinute).toBeGreaterThan(1)
    expect(report.verdicts).toEqual([])
  })

  it.runIf(isLong)('make manifests of short and of long windows, and print what they cost', async ({ expect }) => {
    const { code, stdout, stderr } = await loadTest('manifests', '--quick')
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/^delta, gzip +\d/m)
    expect(stdout).toMatch(/^MPD of all, gzip +\d/m)
    expect(stdout).toContain('no budget judged')
  })

  it.runIf(isLong)(
    'ask the origin for encrypted segments, and print what they cost beside a bare cipher',
    async ({ expect }) => {
      const { code, stdout, stderr } = await loadTest('protection', '--quick')
      expect(code, stderr).toBe(0)
      for (const name of ['cenc', 'cbcs', 'AES-128 fMP4', 'AES-128 TS'])
        expect(stdout).toMatch(new RegExp(`^${name} +8 +\\d`, 'm'))
      expect(stdout).toContain('no budget judged')
    },
  )

  it.runIf(isLong)(
    'ask the origin for everything, and print what it costs beside a bare server',
    async ({ expect }) => {
      const { code, stdout, stderr } = await loadTest('origin', '--quick')
      expect(code, stderr).toBe(0)
      for (const name of ['cmaf: from a span', 'smooth: from an MP4', 'ts: from the cache', 'MPD of 1 h']) {
        expect(stdout).toContain(`${name} `)
      }
      expect(stdout).toContain('no budget judged')
    },
  )

  it.runIf(isLong)('keep viewers that do nothing, and print what they cost', async ({ expect }) => {
    const { code, stdout, stderr } = await loadTest('viewers', '--quick', '--json')
    expect(code, stderr).toBe(0)
    const [sample] = (JSON.parse(stdout) as { samples: { viewers: number; growthMb: number }[] }).samples
    expect(sample?.viewers).toBe(200)
    expect(sample?.growthMb).toBeLessThan(50)
  })

  it('open a movie that nobody has touched, and print how long it takes', async ({ expect }) => {
    const { code, stdout, stderr } = await loadTest('opening', '--quick', '--json')
    expect(code, stderr).toBe(0)
    const [sample] = (JSON.parse(stdout) as { samples: { coldMs: number; warmMs: number }[] }).samples
    expect(sample?.coldMs).toBeGreaterThan(sample?.warmMs ?? 0)
  })

  it('say what is wrong with a command line', async ({ expect }) => {
    const { code, stderr } = await loadTest('rtmp-egress')
    expect(code).toBe(2)
    expect(stderr).toContain('name one load test')
  })
})
