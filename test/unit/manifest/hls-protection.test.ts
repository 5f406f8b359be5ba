import { describe, expect, it } from 'vitest'
import { MediaPlaylist, type PlaylistOptions } from '../../../src/manifest/hls-media.ts'
import type { HlsProtection } from '../../../src/manifest/hls-protection.ts'
import { FakeLive } from '../../http/origin-fixture.ts'
import { PartedLive } from '../../http/parted-live.ts'
import { sampleUris } from './sample-manifests.ts'

const PERIOD_MS = 10_000
const periodAt = (startTicks: number) => Math.floor(startTicks / 90 / PERIOD_MS) * PERIOD_MS

const protection: HlsProtection = {
  keyOf: ({ track }, startTicks) => {
    const periodMs = periodAt(startTicks)
    const line = `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k${track}-${periodMs}"`
    return { kid: `${track}-${periodMs}`, periodMs, lines: [line, `${line},KEYFORMAT="x"`] }
  },
}
const uris = {
  ...sampleUris,
  init: ({ track }: { track: number }, periodMs?: number) => `init-${track}-${periodMs}.mp4`,
}

function playlistOf({ presentation }: FakeLive, options: PlaylistOptions = {}): MediaPlaylist {
  return new MediaPlaylist(presentation, presentation.renditions[0]!, uris, { protection, ...options })
}

/** The key and the init segment that a client has for each segment that it is told of, by the segment's start. */
function keysIn(text: string): Map<number, string> {
  const found = new Map<number, string>()
  let keys: string[] = []
  let map = ''
  let isNew = true
  for (const line of text.split('\n')) {
    if (line.startsWith('#EXT-X-KEY')) {
      // All lines of one key stand together.
      keys = isNew ? [line] : [...keys, line]
      isNew = false
      continue
    }
    isNew = true
    if (line.startsWith('#EXT-X-MAP')) map = line
    const start = /\/(\d+)(?:\.key)?\.m4s$/.exec(line)?.[1]
    if (start && !line.startsWith('#')) found.set(Number(start), `${keys.length} ${keys[0]} ${map}`)
  }
  return found
}

function expected(live: FakeLive): Map<number, string> {
  const { presentation } = live
  const rows = Array.from({ length: presentation.endSequence }, (_, sequence) => presentation.segment(sequence)!)
  return new Map(
    rows.map(({ startTicks }) => {
      const periodMs = periodAt(startTicks)
      return [startTicks, `2 #EXT-X-KEY:METHOD=SAMPLE-AES,URI="k1-${periodMs}" #EXT-X-MAP:URI="init-1-${periodMs}.mp4"`]
    }),
  )
}

describe('keys in media playlists', () => {
  it('stand before the init segment of each period, in long playlists that are put together from blocks too', () => {
    for (const count of [12, 700]) {
      const live = new FakeLive({ rewindWindowMs: 3_600_000 }).addTracks().addSegments(count)
      const playlist = playlistOf(live)
      const text = playlist.toString()
      expect(keysIn(text)).toEqual(expected(live))
      // Said when they change, and not with every segment.
      expect(text.match(/#EXT-X-KEY/g)).toHaveLength(2 * Math.ceil(count / 5))
      expect(count < 700 || playlist.firstBlock < playlist.endBlock).toBe(true)
    }
  })

  it('are said anew to who asks for what changed alone', () => {
    const live = new FakeLive({ rewindWindowMs: 3_600_000 }).addTracks().addSegments(60)
    const delta = playlistOf(live, { skip: true, skipRule: { boundaryTargets: 6, minSkipped: 0 } }).toString()
    const skipped = Number(/SKIPPED-SEGMENTS=(\d+)/.exec(delta)?.[1])
    expect(skipped).toBeGreaterThan(0)
    expect([...keysIn(delta)]).toEqual([...expected(live)].slice(skipped))
  })

  it('go with key frames by their own addresses, since nobody knows where they lie in what is encrypted', () => {
    const live = new FakeLive().addTracks().addSegments(3)
    const text = playlistOf(live, { lists: 'key-frames' }).toString()
    expect(text).not.toContain('BYTERANGE')
    expect(text.match(/^\S+\.key\.m4s$/gm)).toHaveLength(3)
  })

  it('of whole segments leave nothing to be said of parts; of samples they stand before the parts', () => {
    const live = new PartedLive().segments(6).open().part(0, 3).part(1, 3)
    const whole = playlistOf(live, { protection: { ...protection, omitsParts: true } }).toString()
    expect(whole).not.toMatch(/EXT-X-PART|PRELOAD-HINT|CAN-BLOCK-RELOAD|RENDITION-REPORT/)
    expect(keysIn(whole)).toEqual(expected(live))
    const lines = playlistOf(live).toString().split('\n')
    const open = live.presentation.live!.openSegment!
    const key = lines.lastIndexOf(`#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k1-${periodAt(open.startTicks)}"`)
    const parts = lines.flatMap((line, at) => (line.startsWith('#EXT-X-PART:') ? [at] : []))
    expect(parts.slice(-3).every((at) => at > key)).toBe(true)
    expect(key).toBeGreaterThan(0)
  })
})
