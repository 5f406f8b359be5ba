import { expect } from 'vitest'
import { download, type Probed, probe, type ServedRendition, type Stretch, writeStretch } from './served.ts'

export type ProbedStretch = Probed & Stretch

/** Rules of every media playlist: durations round to the target at most, and the dates go with them. */
export function expectSound({ playlist, text }: ServedRendition, targetSeconds: number): void {
  expect(playlist.targetDuration).toBe(targetSeconds)
  let dueMs: number | undefined
  for (const [index, segment] of playlist.segments.entries()) {
    expect(segment.duration).toBeGreaterThan(0)
    expect(Math.round(segment.duration), text).toBeLessThanOrEqual(targetSeconds)
    const date = segment.programDateTimeMs
    const isSame = segment.discontinuitySequence === playlist.segments[index - 1]?.discontinuitySequence
    if (index === 0 || !isSame) expect(date, text).toBeDefined()
    if (date !== undefined && dueMs !== undefined) {
      expect(date, text).toBeGreaterThan(dueMs - 100)
      if (isSame) expect(date, text).toBeLessThan(dueMs + 100)
    }
    dueMs = (date ?? dueMs ?? 0) + segment.duration * 1_000
  }
}

/** All renditions list the same segments, with discontinuities at the same places. */
export function expectAligned(renditions: readonly ServedRendition[]): void {
  const rows = renditions.map(({ playlist }) =>
    playlist.segments.map(({ sequence, discontinuitySequence }) => ({ sequence, discontinuitySequence })),
  )
  for (const list of rows) expect(list).toEqual(rows[0])
}

/** In a period all tracks begin together: one that joined later would never be found by a player that is in it. */
export function expectWholePeriods(mpd: string, maxLateSeconds: number): void {
  const timeline = /timescale="(\d+)" presentationTimeOffset="(\d+)"[^>]*>\s*<SegmentTimeline>\s*<S t="(\d+)"/g
  for (const period of mpd.split('<Period').slice(1)) {
    for (const [, timescale, offset, start] of period.matchAll(timeline)) {
      const lateSeconds = (Number(start) - Number(offset)) / Number(timescale)
      expect(lateSeconds, mpd).toBeGreaterThan(-0.2)
      expect(lateSeconds, mpd).toBeLessThan(maxLateSeconds)
    }
  }
}

/**
 * Downloads a rendition and has ffprobe read every stretch of it, into files that begin with `path`: without a complaint, in
 * decoding order, and as long as its playlist says.
 */
export async function expectListed(
  rendition: ServedRendition,
  path: string,
  toleranceSeconds: number,
): Promise<ProbedStretch[]> {
  const stretches = await download(rendition)
  const groups = [...Map.groupBy(rendition.segments, (s) => `${s.discontinuitySequence} ${s.initUrl}`).values()]
  return Promise.all(
    stretches.map(async (stretch, index) => {
      const found = await probe(writeStretch(`${path}-${rendition.kind}-${index}.mp4`, stretch))
      expect(found.complaints).toBe('')
      const listed = (groups[index] ?? []).reduce((sum, { duration }) => sum + duration, 0)
      const times = found.packets.map(({ ptsSeconds }) => ptsSeconds)
      const measured = Math.max(...times) - Math.min(...times)
      expect(Math.abs(listed - measured)).toBeLessThan(toleranceSeconds)
      const steps = found.packets.slice(1).map(({ dtsSeconds }, i) => dtsSeconds - (found.packets[i]?.dtsSeconds ?? 0))
      expect(Math.min(...steps)).toBeGreaterThan(0)
      return { ...found, ...stretch }
    }),
  )
}
