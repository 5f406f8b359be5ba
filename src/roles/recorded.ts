import { durationMs } from '../domain/duration.ts'
import type { Program } from '../domain/program.ts'
import { PRESENTATION_TIMESCALE, type PresentationHeader, type Track } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { Recorded } from '../supervisor/ports.ts'

/** What is kept of a presentation: its renditions, and from when to when that is. */
export function recordedOf(view: PresentationView): Recorded {
  const from = view.segment(view.firstSequence)
  const to = view.segment(view.endSequence - 1)
  const ticks = from && to ? to.startTicks + to.durationTicks - from.startTicks : 0
  return {
    tracks: view.renditions.map(({ name, kind, tracks }) => recordedTrack(name, kind, tracks.at(-1))),
    durationMs: Math.round((ticks / PRESENTATION_TIMESCALE) * 1_000),
  }
}

function recordedTrack(name: string, kind: 'video' | 'audio', track: Track | undefined): Recorded['tracks'][number] {
  const config = track?.config
  return {
    name,
    kind,
    codec: config?.codecString ?? 'unknown',
    ...(track && { bitrate: Math.round(track.averageBandwidth) }),
    ...(track?.language !== undefined && { language: track.language }),
    ...(config?.kind === 'video' && { width: config.width, height: config.height }),
  }
}

/** How far before its start a presentation's first media may lie, and more. */
const BASE_LEAD_MS = 60_000

/** What a presentation whose media begins at about `startMs` counts the times of its transport streams from. */
export function timeBaseTicks(startMs: number): number {
  return Math.floor((startMs - BASE_LEAD_MS) / 1_000) * PRESENTATION_TIMESCALE
}

/** What stands over a program's presentation that is begun now: the asset's id is the presentation's. */
export function programHeader(
  program: Program,
  epoch: string,
  cut: Pick<PresentationHeader, 'targetDurationMs' | 'partDurationMs' | 'gridMs'>,
  nowMs: number,
): PresentationHeader {
  const { assetId, manifestName, rewindWindow, archiveWindow, startAt } = program
  return {
    id: assetId,
    epoch,
    ...cut,
    timeBaseTicks: timeBaseTicks(startAt === undefined ? nowMs : Math.min(nowMs, Date.parse(startAt))),
    manifestName,
    rewindWindowMs: durationMs(rewindWindow),
    ...(archiveWindow !== 'unlimited' && { archiveWindowMs: durationMs(archiveWindow) }),
  }
}
