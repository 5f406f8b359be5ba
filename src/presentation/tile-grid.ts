import { PRESENTATION_TIMESCALE } from './records.ts'
import { sequenceAt } from './segment-search.ts'
import type { PresentationView, Rendition } from './view.ts'

/** Pictures of a sprite, in rows from the left. */
export const TILE_COLUMNS = 5
/** Rows of a sprite. */
export const TILE_ROWS = 5
/** Pictures of a sprite. */
export const TILES = TILE_COLUMNS * TILE_ROWS
/** How wide a picture of a sprite is. */
export const TILE_WIDTH = 160

/**
 * Small pictures of a presentation at even distances, a target duration each, on the presentation's own timeline: the n-th sprite has those
 * of [n, n + 1) × `spriteTicks`, however much is kept or listed.
 */
export type TileGrid = {
  readonly rendition: Rendition
  /** 90 kHz. */
  readonly tileTicks: number
  readonly spriteTicks: number
  readonly tileWidth: number
  readonly tileHeight: number
}

/** The grid of a presentation; `undefined` for one without pictures. Taken from the smallest rendition that is wide enough. */
export function tileGrid(view: PresentationView): TileGrid | undefined {
  const rendition = renditionFor(view, TILE_WIDTH)
  const config = rendition?.tracks.at(-1)?.config
  if (!rendition || config?.kind !== 'video') return undefined
  const tileTicks = Math.round((view.header.targetDurationMs / 1_000) * PRESENTATION_TIMESCALE)
  const tileHeight = Math.max(2, 2 * Math.round((TILE_WIDTH * config.height) / config.width / 2))
  return { rendition, tileTicks, spriteTicks: tileTicks * TILES, tileWidth: TILE_WIDTH, tileHeight }
}

/** The narrowest rendition that is as wide as that, else the widest. */
export function renditionFor({ renditions }: PresentationView, width: number): Rendition | undefined {
  const widthOf = ({ tracks }: Rendition) => {
    const config = tracks.at(-1)?.config
    return config?.kind === 'video' ? config.width : 0
  }
  const pictures = renditions.filter(({ kind }) => kind === 'video').sort((a, b) => widthOf(a) - widthOf(b))
  return pictures.find((rendition) => widthOf(rendition) >= width) ?? pictures.at(-1)
}

/** Whether a rendition has a key frame at the beginning of a segment. */
export function hasKeyFrame(view: PresentationView, { index }: Rendition, sequence: number): boolean {
  const media = view.renditionSegment(index, sequence)
  return media?.independent === true && media.leadingBytes > 0
}

/** The segments whose key frames a sprite shows: one for each tile. Empty where it has none at all. */
export function spriteSegments(
  view: PresentationView,
  { rendition, tileTicks }: TileGrid,
  sprite: number,
): readonly number[] {
  const last = view.segment(view.endSequence - 1)
  if (!last) return []
  const endTicks = last.startTicks + last.durationTicks
  const found: (number | undefined)[] = []
  for (let tile = sprite * TILES; tile < (sprite + 1) * TILES && tile * tileTicks < endTicks; tile++) {
    const sequence = sequenceAt(view, tile * tileTicks + tileTicks / 2)
    const row = view.segment(sequence)
    const isThere =
      row !== undefined && row.startTicks < (tile + 1) * tileTicks && hasKeyFrame(view, rendition, sequence)
    found.push(isThere ? sequence : found.at(-1))
  }
  // In a hole the picture before it stands; before the first one, the first.
  const first = found.find((sequence) => sequence !== undefined)
  return first === undefined ? [] : found.map((sequence) => sequence ?? first)
}
