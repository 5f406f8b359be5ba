import type { Track } from './records.ts'
import type { Rendition } from './view.ts'

/** What the index's columns hold of a track's place in its rendition. */
const MAX_TRACKS_PER_RENDITION = 65_536

/** A track with its rendition's index and its own position among the rendition's tracks. */
export type KnownTrack = { readonly track: Track; readonly renditionIndex: number; readonly ordinal: number }

/** The tracks that were added and the renditions they make up. What it hands out never changes afterwards. */
export class TrackRegistry {
  #renditions: readonly Rendition[] = []
  readonly #tracks = new Map<number, KnownTrack>()
  readonly #timescales: number[][] = []

  get renditions(): readonly Rendition[] {
    return this.#renditions
  }

  /** How many tracks were ever added. */
  get size(): number {
    return this.#tracks.size
  }

  find(track: number): KnownTrack | undefined {
    return this.#tracks.get(track)
  }

  /** In the order they were added. */
  *tracks(): Iterable<Track> {
    for (const { track } of this.#tracks.values()) yield track
  }

  /** Of a rendition's tracks, by ordinal. */
  timescales(renditionIndex: number): readonly number[] {
    return this.#timescales[renditionIndex] ?? []
  }

  /** The rule that adding this track would break, if any. */
  problemWith(track: Track): string | undefined {
    const rendition = this.#renditionOf(track)
    if (this.#tracks.has(track.track)) return `track ${track.track} is there`
    if (!(track.timescale > 0)) return `track ${track.track} has no timescale`
    if (rendition && rendition.kind !== track.config.kind) return `${rendition.name} is ${rendition.kind}`
    if (rendition && rendition.tracks.length >= MAX_TRACKS_PER_RENDITION) return `${rendition.name} has too many tracks`
    return undefined
  }

  /** Adds a track that has no problem; says whether it began a rendition. */
  add(track: Track): boolean {
    const rendition = this.#renditionOf(track)
    const index = rendition?.index ?? this.#renditions.length
    const tracks = [...(rendition?.tracks ?? []), track]
    const renditions = [...this.#renditions]
    renditions[index] = { index, name: track.rendition, kind: track.config.kind, tracks }
    this.#renditions = renditions
    this.#timescales[index] = tracks.map(({ timescale }) => timescale)
    this.#tracks.set(track.track, { track, renditionIndex: index, ordinal: tracks.length - 1 })
    return rendition === undefined
  }

  #renditionOf(track: Track): Rendition | undefined {
    return this.#renditions.find(({ name }) => name === track.rendition)
  }
}
