import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { DEMO_FONT, DemoPublisher, demoArguments } from '../../../src/roles/demo-publisher.ts'
import { run } from '../../support/ffmpeg.ts'
import { until } from '../../support/until.ts'

const root = mkdtempSync(join(tmpdir(), 'headend-demo-'))
afterAll(() => rmSync(root, { recursive: true }))

const URL = 'rtmp://127.0.0.1:1/live/very-secret-key'

/** A shell script in ffmpeg's place. */
function fakeFfmpeg(name: string, script: string): string {
  const file = join(root, name)
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
  return file
}

function start(ffmpegPath: string) {
  const clock = new VirtualClock()
  const lines: { complaint: string }[] = []
  const logger = { ...silentLogger, warn: (fields: { complaint: string }) => lines.push(fields) } as never
  return { clock, lines, demo: new DemoPublisher({ ffmpegPath, url: URL, hasFont: false }, clock, logger) }
}

describe('demoArguments', () => {
  it.each([true, false])('are taken by ffmpeg, with a font: %s', async (hasFont) => {
    const file = join(root, `demo-${hasFont}.flv`)
    const args = demoArguments(file, hasFont).filter((argument) => argument !== '-re')
    const { code, stderr } = await run('ffmpeg', [...args.slice(0, -1), '-t', '0.2', file])
    if (stderr.includes(DEMO_FONT)) return
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { stdout } = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'stream=codec_name',
      '-of',
      'csv=p=0',
      file,
    ])
    expect(stdout.trim().split('\n')).toEqual(['h264', 'aac'])
  })
})

describe('DemoPublisher', () => {
  it('comes back after a while when it dies, and says why without the stream key', async () => {
    const { clock, lines, demo } = start(fakeFfmpeg('dies', 'for last; do :; done; echo "$last: refused" >&2; exit 1'))
    await until(() => lines.length === 1)
    expect(lines[0]?.complaint).toBe('rtmp://…: refused')
    await clock.advance(999)
    expect(lines).toHaveLength(1)
    await clock.advance(1)
    await until(() => lines.length === 2)
    expect(JSON.stringify(lines)).not.toContain('very-secret-key')
    await demo.stop()
    await clock.advance(10_000)
    expect(lines).toHaveLength(2)
  })

  it('says so when there is no such program, and stops', async () => {
    const { lines, demo } = start('/nowhere/ffmpeg')
    await until(() => lines.length === 1)
    expect(lines[0]?.complaint).toContain('ENOENT')
    await demo.stop()
  })

  it('kills one that does not listen', async () => {
    const pidFile = join(root, 'pid')
    const { clock, demo } = start(fakeFfmpeg('deaf', `trap '' TERM; echo $$ > ${pidFile}; while :; do sleep 0.1; done`))
    await until(() => pidOf(pidFile) > 0)
    const pid = pidOf(pidFile)
    const stopped = demo.stop()
    await clock.advance(1_999)
    expect(() => process.kill(pid, 0)).not.toThrow()
    await clock.advance(1)
    await stopped
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})

function pidOf(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return 0
  }
}
