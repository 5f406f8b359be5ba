import { readdirSync, readFileSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { expect } from 'vitest'
import { WatchPage } from './browser.ts'
import { type Headend, startHeadend } from './headend.ts'
import { fetchMedia, playingVariant, until } from './playlist.ts'

/** Sockets of viewers come and go. */
const DESCRIPTOR_TOLERANCE = 8
const LEAK_BYTES = 60e6
const MIB = 1024

/** Pids of the ffmpeg children that the server has started, oldest first. */
function startedChildren(headend: Headend): number[] {
  return headend
    .lines()
    .filter(({ msg }) => msg === 'ffmpeg started')
    .map(({ pid }) => Number(pid))
}

/** State letters of the children of a process, by pid (proc(5)). */
function childStates(parent: number): Map<number, string> {
  const states = new Map<number, string>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [state = '', ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(ppid) === parent) states.set(Number(pid), state)
    } catch {
      // It ended while we looked.
    }
  }
  return states
}

async function footprint(headend: Headend): Promise<{ descriptors: number; beyondLogBytes: number }> {
  const status = readFileSync(`/proc/${headend.pid}/status`, 'utf8')
  const residentBytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * MIB
  const heldBytes = await headend.metric('headend_log_held_bytes')
  return {
    descriptors: readdirSync(`/proc/${headend.pid}/fd`).length,
    beyondLogBytes: residentBytes - heldBytes,
  }
}

/**
 * The demo ladder with a page that plays it by HLS, while the transcoder's child is killed `kills` times at random
 * moments: each time the page plays on by itself, and the playlist has one discontinuity more.
 */
export async function watchKills(browser: Browser, kills: number): Promise<void> {
  const headend = await startHeadend({ args: ['--demo'] })
  const { url } = await playingVariant(headend.quickstart.hlsUrl, 4, 60_000)
  const watch = await WatchPage.open(browser, headend.quickstart.playerUrl)
  try {
    await watch.playing(60_000)
    const discontinuities = async () => (await fetchMedia(url)).segments.at(-1)?.discontinuitySequence ?? -1
    let warm: Awaited<ReturnType<typeof footprint>> | undefined
    for (let kill = 1; kill <= kills; kill++) {
      await watch.watch(1 + Math.random() * 5)
      const victim = startedChildren(headend).at(-1) ?? 0
      const killedAtMs = Date.now()
      process.kill(victim, 'SIGKILL')
      await until(`discontinuity ${kill}`, 45_000, discontinuities, (count) => count >= kill)
      // The picture is of a moment after the kill, and moves.
      await watch.until(
        `playback after kill ${kill}`,
        45_000,
        ({ latencyS = Number.POSITIVE_INFINITY, notice }) =>
          notice === undefined && Date.now() - latencyS * 1_000 > killedAtMs + 3_000,
      )
      const { mediaS } = await watch.watch(2)
      expect(mediaS, `after kill ${kill}`).toBeGreaterThan(1.5)
      expect(startedChildren(headend)).toHaveLength(kill + 1)
      const states = childStates(headend.pid)
      expect(states.has(victim)).toBe(false)
      expect([...states.values()]).not.toContain('Z')
      warm ??= await footprint(headend)
    }
    expect(await discontinuities()).toBe(kills)
    const end = await footprint(headend)
    expect(end.descriptors - (warm?.descriptors ?? 0)).toBeLessThanOrEqual(DESCRIPTOR_TOLERANCE)
    expect(end.beyondLogBytes - (warm?.beyondLogBytes ?? 0)).toBeLessThan(LEAK_BYTES)
    expect(watch.complaints).toEqual([])
  } finally {
    await watch.close()
    const code = await headend.stop()
    expect(code).toBe(0)
  }
}
