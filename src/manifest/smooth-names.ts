import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'

/** The kinds of renditions that are streams of Smooth Streaming. */
export type SmoothKind = 'video' | 'audio'

/** The name of a stream that is not the first of its kind: by its language where that tells it from the others, else by a rendition of it. */
export function streamName(kind: SmoothKind, { rendition, language }: Track, taken: ReadonlySet<string>): string {
  if (!taken.has(kind)) return kind
  const byLanguage = `${kind}_${language}`
  return language !== undefined && !taken.has(byLanguage) ? byLanguage : rendition
}

/**
 * The rendition that `QualityLevels(bitrate)/Fragments(stream=…)` names, whatever the case. The bitrate tells renditions of a kind
 * apart; the stream's name is one that some manifest may have given to a stream of that kind.
 */
export function findQualityLevel(view: PresentationView, stream: string, bitrate: number): Rendition | undefined {
  const wanted = stream.toLowerCase()
  const named = view.renditions.filter(
    ({ kind, name, tracks }) =>
      wanted === kind ||
      wanted === name.toLowerCase() ||
      tracks.some(({ language }) => language !== undefined && wanted === `${kind}_${language}`.toLowerCase()),
  )
  const kinds = new Set(named.map(({ kind }) => kind))
  return view.renditions.find(
    ({ kind, tracks }) => kinds.has(kind) && tracks.some(({ nominalBitrate }) => nominalBitrate === bitrate),
  )
}
