import { lostSince } from '../presentation/losses.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'
import type { ListedWindow } from './listed-window.ts'
import {
  appendRows,
  type MediaStretch,
  type RowStretch,
  type SurveyedMedia,
  surveyMedia,
  surveyRows,
} from './surveyed-rows.ts'

/** Segments to a block. Block `n` is of the sequence numbers from `n × 256` on, whatever the window is. */
export const BLOCK_SEGMENTS = 256

/** What a window lists of one rendition. */
export type ListedRendition = {
  readonly rendition: Rendition
  /** The tracks that its segments are of, in the order they come; the current one if there are no segments. Never empty. */
  readonly tracks: readonly [Track, ...Track[]]
  /** Every segment starts with a random access point. */
  readonly independent: boolean
}

/**
 * What manifests say of a window as a whole, without reading through the whole window for each new version: of every 256
 * segments it is kept what there is in them, as long as they are kept themselves. A survey is of one view and follows it as it changes;
 * what it says is what a fresh one would say.
 */
export class ListingSurvey {
  readonly #view: PresentationView
  /** By rendition, then by block. */
  readonly #media = new Map<number, Map<number, SurveyedMedia>>()
  readonly #rows = new Map<number, readonly RowStretch[]>()
  #losses = 0
  /** Where the view ended when it was looked at last. */
  #seenEnd = 0
  #firstBlock = 0

  constructor(view: PresentationView) {
    this.#view = view
  }

  listed(rendition: Rendition, window: ListedWindow): ListedRendition {
    const numbers = new Set<number>()
    let independent = true
    for (const stretch of this.stretches(rendition.index, window)) {
      numbers.add(stretch.track)
      independent &&= stretch.independent
    }
    const tracks = [...numbers].flatMap((number) => this.#view.track(number) ?? [])
    const [first = currentTrack(rendition), ...others] = tracks
    return { rendition, tracks: [first, ...others], independent }
  }

  /** What the window has of a rendition, in order; a stretch may come in several pieces. */
  *stretches(renditionIndex: number, { first, end }: ListedWindow): Iterable<MediaStretch> {
    for (let from = first; from < end; ) {
      const to = Math.min(end, blockEnd(from))
      const isWhole = to - from === BLOCK_SEGMENTS
      const { stretches } = isWhole
        ? this.block(renditionIndex, from / BLOCK_SEGMENTS)
        : surveyMedia(this.#view, renditionIndex, from, to)
      yield* stretches
      from = to
    }
  }

  /** What a block, all of whose segments are there, has of a rendition: the same object until something in it is lost. */
  block(renditionIndex: number, block: number): SurveyedMedia {
    this.#follow()
    const blocks = this.#media.get(renditionIndex) ?? new Map<number, SurveyedMedia>()
    this.#media.set(renditionIndex, blocks)
    let surveyed = blocks.get(block)
    if (!surveyed) {
      const first = block * BLOCK_SEGMENTS
      surveyed = surveyMedia(this.#view, renditionIndex, first, first + BLOCK_SEGMENTS)
      blocks.set(block, surveyed)
    }
    return surveyed
  }

  /** The rows of a window by discontinuity sequence. */
  rows({ first, end }: ListedWindow): readonly RowStretch[] {
    this.#follow()
    const stretches: RowStretch[] = []
    for (let from = first; from < end; ) {
      const to = Math.min(end, blockEnd(from))
      for (const stretch of this.#rowsOf(from, to)) appendRows(stretches, stretch)
      from = to
    }
    return stretches
  }

  /** The track of the newest media that the window from `first` on has before `sequence`. */
  trackBefore({ index }: Rendition, sequence: number, first: number): Track | undefined {
    for (let end = sequence; end > first; ) {
      const from = Math.max(first, blockEnd(end - 1) - BLOCK_SEGMENTS)
      const isWhole = end - from === BLOCK_SEGMENTS
      if (isWhole) {
        const last = this.block(index, from / BLOCK_SEGMENTS).stretches.at(-1)
        if (last) return this.#view.track(last.track)
      } else {
        for (let at = end - 1; at >= from; at--) {
          const media = this.#view.renditionSegment(index, at)
          if (media) return this.#view.track(media.track)
        }
      }
      end = from
    }
    return undefined
  }

  /**
   * Surveys blocks of the window that are not yet, at most about `maxBlocks` of them, so that a caller who has others to
   * serve can do it in turns. Says whether all is there now.
   */
  prepare({ first, end }: ListedWindow, maxBlocks: number): boolean {
    this.#follow()
    let left = maxBlocks
    for (let block = Math.ceil(first / BLOCK_SEGMENTS); blockEnd(block * BLOCK_SEGMENTS) <= end; block++) {
      for (const { index } of this.#view.renditions) {
        if (this.#media.get(index)?.has(block)) continue
        if (left-- <= 0) return false
        this.block(index, block)
      }
    }
    return true
  }

  #rowsOf(from: number, to: number): readonly RowStretch[] {
    if (to - from < BLOCK_SEGMENTS) return surveyRows(this.#view, from, to)
    const block = from / BLOCK_SEGMENTS
    const rows = this.#rows.get(block) ?? surveyRows(this.#view, from, to)
    this.#rows.set(block, rows)
    return rows
  }

  /** Forgets blocks that are no longer kept whole, and looks again at those that may have lost something. */
  #follow(): void {
    const { losses = 0, recentLosses = [] } = this.#view.header
    const firstBlock = Math.ceil(this.#view.firstSequence / BLOCK_SEGMENTS)
    if (firstBlock !== this.#firstBlock) this.#forgetBefore(firstBlock)
    if (losses !== this.#losses)
      this.#lookAgain(Math.floor((lostSince(recentLosses, this.#seenEnd) ?? 0) / BLOCK_SEGMENTS))
    this.#losses = losses
    this.#seenEnd = this.#view.endSequence
  }

  #lookAgain(firstBlock: number): void {
    for (const block of this.#rows.keys()) if (block >= firstBlock) this.#rows.delete(block)
    for (const [index, blocks] of this.#media) {
      for (const [block, { count }] of blocks) {
        // Media can be lost, but never come: what has as much as before is what it was.
        if (block >= firstBlock && this.#countMedia(index, block * BLOCK_SEGMENTS) !== count) blocks.delete(block)
      }
    }
  }

  #countMedia(renditionIndex: number, first: number): number {
    let count = 0
    for (let sequence = first; sequence < first + BLOCK_SEGMENTS; sequence++) {
      if (this.#view.renditionSegment(renditionIndex, sequence)) count++
    }
    return count
  }

  #forgetBefore(firstBlock: number): void {
    this.#firstBlock = firstBlock
    for (const blocks of [this.#rows, ...this.#media.values()]) {
      for (const block of blocks.keys()) if (block < firstBlock) blocks.delete(block)
    }
  }
}

/** The track that was added last. */
export function currentTrack(rendition: Rendition): Track {
  return rendition.tracks.at(-1) as Track
}

function blockEnd(sequence: number): number {
  return (Math.floor(sequence / BLOCK_SEGMENTS) + 1) * BLOCK_SEGMENTS
}
