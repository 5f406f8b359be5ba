import type { Track } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'
import { areAligned, readChunks, type SmoothChunks } from './smooth-chunks.ts'
import { type QualityAttributes, qualityAttributes } from './smooth-codecs.ts'
import type { SmoothKind } from './smooth-names.ts'
import type { MediaStretch } from './surveyed-rows.ts'

/** What a window has of one rendition. */
export type RenditionMedia = { readonly rendition: Rendition; readonly pieces: readonly MediaStretch[] }

/** A quality level as it is listed. */
export type SmoothQuality = {
  readonly track: Track
  readonly attributes: QualityAttributes
  readonly chunks: SmoothChunks
}

/** What players switch within: one codec, one language, the same fragments. */
export type SmoothStream = {
  readonly kind: SmoothKind
  readonly qualities: readonly [SmoothQuality, ...SmoothQuality[]]
}

/** The streams of a manifest, and in words what is not in them. */
export type SmoothListing = {
  readonly streams: readonly SmoothStream[]
  readonly omissions: readonly string[]
  /** There is media that Smooth Streaming has a name for, listed yet or not. */
  readonly isCarried: boolean
  /** And of each kind of it something is listed: who came earlier would miss what is listed later. */
  readonly isWhole: boolean
}

/**
 * What lies between two changes of any rendition's codec configuration, in order: Smooth Streaming knows one of them per quality
 * level. Never empty.
 */
export function betweenChanges(media: readonly RenditionMedia[]): readonly (readonly RenditionMedia[])[] {
  const changes = new Set(media.flatMap(({ pieces }) => changesIn(pieces)))
  const starts = [Number.NEGATIVE_INFINITY, ...[...changes].sort((a, b) => a - b)]
  return starts.map((start, at) => {
    const end = starts[at + 1] ?? Number.POSITIVE_INFINITY
    const isWithin = ({ discontinuitySequence: number }: MediaStretch) => number >= start && number < end
    return media.map(({ rendition, pieces }) => ({ rendition, pieces: pieces.filter(isWithin) }))
  })
}

/** The one with the most media of any rendition; of those that are alike, the latest. */
export function longestOf(
  stretches: readonly (readonly RenditionMedia[])[],
  timescaleOf: (track: number) => number,
): readonly RenditionMedia[] {
  const secondsOf = (stretch: readonly RenditionMedia[]) =>
    Math.max(0, ...stretch.map(({ pieces }) => secondsIn(pieces, timescaleOf)))
  return stretches.reduce((best, stretch) => (secondsOf(stretch) >= secondsOf(best) ? stretch : best), [])
}

/** A new configuration comes with a discontinuity. */
function changesIn(pieces: readonly MediaStretch[]): readonly number[] {
  return pieces.flatMap((piece, at) => {
    const before = pieces[at - 1]
    return before && before.track !== piece.track ? [piece.discontinuitySequence] : []
  })
}

function secondsIn(pieces: readonly MediaStretch[], timescaleOf: (track: number) => number): number {
  return pieces.reduce((sum, { track, runs }) => sum + runs.totalTicks / timescaleOf(track), 0)
}

/**
 * Puts renditions together into streams. All quality levels of a stream have the same fragments: beside the fullest rendition stand those
 * that have every one of its fragments. One with as many others is a stream of its own; one with fewer is left out.
 */
export function listStreams(
  media: readonly RenditionMedia[],
  trackOf: (track: number) => Track | undefined,
  withheld: number,
): SmoothListing {
  const omissions: string[] = []
  const carried = new Set<SmoothKind>()
  const groups = new Map<string, SmoothQuality[]>()
  for (const { rendition, pieces } of media) {
    const newest = pieces.at(-1)
    const track = newest && trackOf(newest.track)
    if (!newest || !track) continue
    const attributes = qualityAttributes(track.config)
    if (!attributes) {
      omissions.push(`${rendition.name} is left out: Smooth Streaming has no FourCC for ${track.config.codec}.`)
      continue
    }
    carried.add(track.config.kind)
    const own = pieces.filter((piece) => piece.track === newest.track)
    const chunks = readChunks(own, track.timescale, withheld)
    if (chunks.starts.length === 0) continue
    const key = groupKey(track)
    groups.set(key, [...(groups.get(key) ?? []), { track, attributes, chunks }])
  }
  const streams = [...groups.values()].flatMap((qualities) => splitGroup(qualities, omissions))
  const isWhole = [...carried].every((kind) => streams.some((stream) => stream.kind === kind))
  return { streams, omissions, isCarried: carried.size > 0, isWhole: isWhole && streams.length > 0 }
}

function groupKey({ config, language, alternative = 0 }: Track): string {
  if (config.kind === 'video') return `video/${config.codec}`
  return `audio/${config.codecString}/${config.channels}/${config.sampleRate}/${language ?? ''}/${alternative}`
}

function splitGroup(qualities: readonly SmoothQuality[], omissions: string[]): readonly SmoothStream[] {
  const fullest = Math.max(...qualities.map(({ chunks }) => chunks.starts.length))
  const streams: [SmoothQuality, ...SmoothQuality[]][] = []
  for (const quality of qualities) {
    if (quality.chunks.starts.length < fullest) {
      omissions.push(`${quality.track.rendition} is left out: it lacks fragments that others have.`)
      continue
    }
    const stream = streams.find(([first]) => areAligned(first.chunks, quality.chunks))
    if (stream) stream.push(quality)
    else streams.push([quality])
  }
  return streams.map((members) => ({ kind: members[0].track.config.kind, qualities: members }))
}
