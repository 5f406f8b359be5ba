import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { publish } from '../support/ffmpeg.ts'
import { type Headend, type HeadendOptions, startHeadend } from '../support/headend.ts'
import { fetchMedia, playingVariant, until } from '../support/playlist.ts'
import { RtmpPublisher } from '../support/rtmp-publisher.ts'

const STOP_LIMIT_MS = 10_000

const started: Headend[] = []

async function start(options: HeadendOptions): Promise<Headend> {
  const headend = await startHeadend(options)
  started.push(headend)
  return headend
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((headend) => headend.kill()))
})

function isAlive(pid: number): boolean {
  try {
    // A zombie answers to signals too; its state tells.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Pids of the transcoder's children so far, from the log. */
function childPids(headend: Headend): number[] {
  return headend.lines().flatMap(({ msg, pid }) => (msg === 'ffmpeg started' ? [Number(pid)] : []))
}

async function whenTranscoding(headend: Headend): Promise<number> {
  const pids = await until(
    'the transcoder',
    30_000,
    async () => childPids(headend),
    (list) => list.length > 0,
  )
  return pids[0] ?? 0
}

type Ending = { readonly code: number | null; readonly tookMs: number }

async function endBy(headend: Headend, signal: NodeJS.Signals): Promise<Ending> {
  const startMs = performance.now()
  const closed = once(headend.child, 'close')
  headend.child.kill(signal)
  const [code] = (await closed) as [number | null]
  return { code, tookMs: performance.now() - startMs }
}

const ladder = { encoding: 'standard', ladder: 'demo' }

describe('the end', () => {
  it('by SIGTERM: encoders are told, ffmpeg is gone, exit code 0', async () => {
    const headend = await start({ channel: ladder })
    const encoder = publish(headend.publishUrl)
    const pid = await whenTranscoding(headend)
    await playingVariant(headend.quickstart.hlsUrl, 1)
    const { code, tookMs } = await endBy(headend, 'SIGTERM')
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(STOP_LIMIT_MS)
    expect(isAlive(pid)).toBe(false)
    expect((await encoder.finished).code).not.toBeNull()
    const said = headend.lines().map(({ msg }) => msg)
    expect(said.filter((msg) => msg === 'stopping')).toHaveLength(1)
    expect(said.at(-1)).toBe('stopped')
    expect(headend.lines().filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
    const ends = headend.lines().filter(({ msg }) => msg === 'publish ended')
    expect(ends).toMatchObject([{ level: 'info', channel: 'main', reason: 'stopped', layer: 'default' }])
  })

  it('by SIGINT: the encoder hears a status, a second signal changes nothing', async () => {
    const headend = await start({})
    const publisher = await RtmpPublisher.publish({
      host: '127.0.0.1',
      port: headend.rtmpPort,
      streamName: headend.quickstart.streamKey,
      connectFields: { capsEx: 1 },
    })
    headend.child.kill('SIGTERM')
    const { code, tookMs } = await endBy(headend, 'SIGINT')
    await publisher.closed
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(STOP_LIMIT_MS)
    expect(publisher.statuses.map((status) => status.code)).toEqual([
      'NetStream.Publish.Start',
      'NetStream.Unpublish.Success',
      'NetConnection.Connect.ReconnectRequest',
      'NetConnection.Connect.AppShutdown',
    ])
    expect(headend.lines().filter(({ msg }) => msg === 'stopping')).toHaveLength(1)
  })

  it('with an ffmpeg that is stopped, a player that does not read, and an encoder that does not hang up', async () => {
    // A part of the whole alone would fit into the time: they must not wait for each other.
    const headend = await start({ channel: ladder })
    const encoder = publish(headend.publishUrl, { size: '640x360', bitrate: '3000k' })
    const pid = await whenTranscoding(headend)
    const { url } = await playingVariant(headend.quickstart.hlsUrl, 1)
    const silent = await RtmpPublisher.open({ host: '127.0.0.1', port: headend.rtmpPort })
    await silent.handshake()
    await silent.connect()
    // Neither reads the farewell nor hangs up.
    silent.socket.pause()
    const [segment] = (await fetchMedia(url)).segments.filter(({ gap }) => !gap)
    const players = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const request = get(segment?.url ?? '')
        request.on('error', () => undefined)
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        response.on('error', () => undefined)
        // Nothing is read of the body: whatever the kernel does not hold stays with the server.
        return response
      }),
    )
    process.kill(pid, 'SIGSTOP')
    const { code, tookMs } = await endBy(headend, 'SIGTERM')
    for (const player of players) player.destroy()
    await silent.close()
    await encoder.kill()
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(STOP_LIMIT_MS)
    expect(isAlive(pid)).toBe(false)
  })

  it('with several channels whose ffmpeg is stopped takes no longer than with one', async () => {
    const names = ['a', 'b', 'c']
    const headend = await start({
      config: {
        bootstrap: {
          channels: names.map((name) => ({ name, streamKey: `key-of-${name}`, segmentDuration: '2s', ...ladder })),
          programs: names.map((name) => ({ name, channel: name })),
        },
      },
    })
    const encoders = names.map((name) => publish(`${headend.quickstart.rtmpUrl}/key-of-${name}`, { size: '160x90' }))
    const pids = await until(
      'three transcoders',
      30_000,
      async () => childPids(headend),
      (list) => list.length === names.length,
    )
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    const { code, tookMs } = await endBy(headend, 'SIGTERM')
    for (const encoder of encoders) await encoder.kill()
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(STOP_LIMIT_MS)
    expect(pids.filter(isAlive)).toEqual([])
  })

  it('with a stopped demo publisher', async () => {
    const headend = await start({ args: ['--demo'] })
    await whenTranscoding(headend)
    const children = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && parentOf(name) === headend.pid)
      .map(Number)
    expect(children).toHaveLength(2)
    for (const pid of children) process.kill(pid, 'SIGSTOP')
    const { code, tookMs } = await endBy(headend, 'SIGTERM')
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(STOP_LIMIT_MS)
    expect(children.filter(isAlive)).toEqual([])
  })
})

function parentOf(pid: string): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return 0
  }
}
