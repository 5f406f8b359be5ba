import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startIngest } from '../../support/rtmp-ingest.ts'
import { until } from '../../support/until.ts'

type Run = { readonly code: number | null; readonly printed: string }

function ffmpeg(args: readonly string[]): Promise<Run> {
  const child = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-loglevel', 'warning', ...args])
  let printed = ''
  child.stderr.on('data', (bytes) => {
    printed += bytes
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, printed })))
}

const source = (seconds: number) => [
  ...[
    '-re',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=s=160x90:r=25',
    '-re',
    '-f',
    'lavfi',
    '-i',
    'sine=r=48000',
    '-t',
    String(seconds),
  ],
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25', '-c:a', 'aac', '-f', 'flv'],
]

describe('ffmpeg as the encoder', () => {
  let ingest: Awaited<ReturnType<typeof startIngest>>
  const url = (path: string) => `rtmp://127.0.0.1:${ingest.target.port}/${path}`

  beforeAll(async () => {
    ingest = await startIngest()
  })

  afterAll(() => ingest.listener.stop())

  it('publishes every frame, on a layer of its own', async () => {
    const before = ingest.gate.sinks.length
    const run = await ffmpeg([...source(2), url('live/key/cam2')])
    expect(run.code).toBe(0)
    const sink = ingest.gate.sinks[before]!
    expect(ingest.gate.requests[before]).toMatchObject({ app: 'live', key: 'key', layer: 'cam2' })
    await until(() => sink.ends.length === 1)
    expect(sink.ends).toEqual(['unpublished'])
    const configs = sink.of('config').map((one) => one.config)
    expect(configs).toMatchObject([
      { kind: 'video', codec: 'avc', width: 160, height: 90 },
      { kind: 'audio', codec: 'aac', sampleRate: 48_000 },
    ])
    const video = sink.of('frame').filter((frame) => frame.kind === 'video')
    expect(video).toHaveLength(50)
    expect(video.every((frame, i) => frame.dtsMs === i * 40)).toBe(true)
    expect(video[0]?.independent).toBe(true)
    expect(sink.of('frame').filter((frame) => frame.kind === 'audio').length).toBeGreaterThan(90)
    expect(sink.of('metadata')[0]?.values).toMatchObject({ width: 160, height: 90 })
    expect(ingest.log.filter((line) => line.level === 'warn')).toEqual([])
  })

  it('prints why it was refused', async () => {
    const { gate } = ingest
    const accept = gate.decide
    gate.decide = async () => ({
      accepted: false,
      reason: 'unknown-key',
      description: 'No channel has this stream key.',
    })
    const refused = await ffmpeg([...source(2), url('live/wrong')])
    gate.decide = accept
    expect(refused.code).not.toBe(0)
    expect(refused.printed).toContain('No channel has this stream key.')
    const player = await ffmpeg(['-i', url('live/key'), '-f', 'null', '-'])
    expect(player.code).not.toBe(0)
    expect(player.printed).toContain('HLS and DASH')
  })

  it('prints that another encoder took over', async () => {
    const before = ingest.gate.sinks.length
    const running = ffmpeg([...source(20), url('live/key')])
    await until(() => (ingest.gate.sinks[before]?.of('frame').length ?? 0) > 10)
    await ingest.gate.handles[before]?.end('Another encoder took over.')
    const run = await running
    expect(run.printed).toContain('Another encoder took over.')
    expect(ingest.gate.sinks[before]?.ends).toEqual(['replaced'])
  })
})
