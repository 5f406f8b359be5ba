/** One `S` of a `SegmentTimeline`: `r` is how often it repeats. */
type Entry = { readonly t?: number; readonly d: number; readonly r?: number }
type Template = {
  readonly timescale?: number
  readonly presentationTimeOffset?: number
  readonly duration?: number
  readonly SegmentTimeline?: { readonly S?: readonly Entry[] }
}
type WithTemplate = { readonly SegmentTemplate?: Template }
type AdaptationSet = WithTemplate & { readonly Representation?: readonly WithTemplate[] }
type Period = { readonly start?: number; readonly AdaptationSet?: readonly AdaptationSet[] }

/** What of a parsed MPD is looked at here; times of periods are in seconds, those of timelines in ticks. */
export type ListingManifest = { readonly Period?: readonly Period[] }

/** The newest stretch of media without a hole, in the MPD's own seconds. */
export type Stretch = { readonly start: number; readonly end: number }

/** A hole shorter than this is none that anybody has to jump. */
const HOLE_S = 0.25

/**
 * The newest unbroken stretch that a manifest of segment timelines lists; of one whose segments are counted, its last period, of which
 * nobody knows the end. `undefined` where it lists nothing.
 */
export function newestStretch(manifest: ListingManifest): Stretch | undefined {
  for (const period of [...(manifest.Period ?? [])].reverse()) {
    const stretch = stretchOf(period)
    if (stretch) return stretch
  }
  return undefined
}

function stretchOf({ start = 0, AdaptationSet: sets = [] }: Period): Stretch | undefined {
  for (const set of sets) {
    const template = set.SegmentTemplate?.SegmentTimeline ? set.SegmentTemplate : timelineOfAny(set)
    const entries = template?.SegmentTimeline?.S ?? []
    const [first] = entries
    if (!template || !first) {
      if (isCounted(set)) return { start, end: Number.POSITIVE_INFINITY }
      continue
    }
    const { timescale = 1, presentationTimeOffset = 0 } = template
    let [from, to] = [first.t ?? 0, first.t ?? 0]
    for (const { t = to, d, r = 0 } of entries) {
      if (t - to > HOLE_S * timescale) from = t
      to = t + d * (r + 1)
    }
    const seconds = (ticks: number) => start + (ticks - presentationTimeOffset) / timescale
    return { start: seconds(from), end: seconds(to) }
  }
  return undefined
}

function isCounted({ SegmentTemplate: shared, Representation: members = [] }: AdaptationSet): boolean {
  return [shared, ...members.map((member) => member.SegmentTemplate)].some(
    (template) => template?.duration !== undefined,
  )
}

function timelineOfAny({ Representation: members = [] }: AdaptationSet): Template | undefined {
  return members.find(({ SegmentTemplate: template }) => template?.SegmentTimeline)?.SegmentTemplate
}
