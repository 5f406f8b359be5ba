import type { Track } from './records.ts'
import type { TextRendition } from './text-rendition.ts'
import type { Rendition } from './view.ts'
import type { TrackCondition, ViewFilter } from './view-filter.ts'

/**
 * The renditions that every filter lets through, in their order, but for the one that the first filter with a first quality
 * puts in front. Each keeps its index.
 */
export function selectRenditions(
  renditions: readonly Rendition[],
  filters: readonly ViewFilter[],
): readonly Rendition[] {
  const selected = renditions.filter((rendition) => filters.every((filter) => isSelected(rendition, filter)))
  const firstQuality = filters.find((filter) => filter.firstQuality !== undefined)?.firstQuality
  const first = firstQuality === undefined ? undefined : nearest(selected, firstQuality)
  return first === undefined ? selected : [first, ...selected.filter((rendition) => rendition !== first)]
}

/** The texts that every filter lets through, in their order. Their type is `text`; what is said of bitrates is not said of them. */
export function selectTexts(texts: readonly TextRendition[], filters: readonly ViewFilter[]): readonly TextRendition[] {
  const isLetThrough = (text: TextRendition, { tracks }: ViewFilter) =>
    tracks.length === 0 || tracks.some((conditions) => conditions.every((one) => holdsOfText(one, text)))
  return texts.filter((text) => filters.every((filter) => isLetThrough(text, filter)))
}

function holdsOfText(condition: TrackCondition, { name, language = 'und', codec }: TextRendition): boolean {
  if (condition.property === 'bitrate') return true
  const is = { type: 'text', name, language, codec }[condition.property]
  return (is.toLowerCase() === condition.value.toLowerCase()) === (condition.operation === 'equal')
}

/** A rendition is what any of its tracks is, so that a change of the codec does not make it come and go. */
function isSelected({ tracks }: Rendition, filter: ViewFilter): boolean {
  if (filter.tracks.length === 0) return true
  return filter.tracks.some((conditions) => tracks.some((track) => conditions.every((one) => holds(one, track))))
}

function holds(condition: TrackCondition, track: Track): boolean {
  return isSo(condition, track) === (condition.operation === 'equal')
}

function isSo(condition: TrackCondition, track: Track): boolean {
  if (condition.property === 'bitrate') {
    return track.nominalBitrate >= condition.from && track.nominalBitrate <= condition.to
  }
  const wanted = condition.value.toLowerCase()
  return textsOf(condition.property, track).some((text) => text.toLowerCase() === wanted)
}

/** A codec goes by its four characters (`avc1`), by the whole of RFC 6381 (`avc1.64001f`), and by its family (`avc`). */
function textsOf(property: Exclude<TrackCondition['property'], 'bitrate'>, track: Track): readonly string[] {
  const { config, rendition, language } = track
  if (property === 'type') return [config.kind]
  if (property === 'name') return [rendition]
  if (property === 'language') return [language ?? 'und']
  const [fourCharacters = ''] = config.codecString.split('.')
  return [config.codec, config.codecString, fourCharacters]
}

/** The highest video (or, where there is none, sound) that is not above the bitrate; the lowest where all are. */
function nearest(renditions: readonly Rendition[], bitrate: number): Rendition | undefined {
  const videos = renditions.filter(({ kind }) => kind === 'video')
  const sorted = [...(videos.length > 0 ? videos : renditions)].sort((a, b) => rateOf(a) - rateOf(b))
  return sorted.findLast((rendition) => rateOf(rendition) <= bitrate) ?? sorted[0]
}

function rateOf({ tracks }: Rendition): number {
  return tracks.at(-1)?.nominalBitrate ?? 0
}
