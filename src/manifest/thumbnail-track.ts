import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { TILE_COLUMNS, TILES, type TileGrid } from '../presentation/tile-grid.ts'
import type { PresentationView } from '../presentation/view.ts'
import { listedWindow } from './listed-window.ts'

/**
 * A WebVTT track whose cues say which part of which sprite is to be seen at what time, as seek bars of players read it
 * (Media Fragments URI, `#xywh=`). Times count from where the presentation, which has ended, begins to play.
 */
export function buildThumbnailTrack(
  view: PresentationView,
  grid: TileGrid,
  spriteUri: (sprite: number) => string,
): string {
  const { first, end } = listedWindow(view)
  const startTicks = view.segment(first)?.startTicks ?? 0
  const newest = view.segment(end - 1)
  const endTicks = newest ? newest.startTicks + newest.durationTicks : startTicks
  const { tileTicks, tileWidth, tileHeight } = grid
  const cues: string[] = ['WEBVTT\n']
  for (let tile = Math.floor(startTicks / tileTicks); tile * tileTicks < endTicks; tile++) {
    const from = Math.max(0, tile * tileTicks - startTicks)
    const to = Math.min(endTicks, (tile + 1) * tileTicks) - startTicks
    const at = tile % TILES
    const place = [(at % TILE_COLUMNS) * tileWidth, Math.floor(at / TILE_COLUMNS) * tileHeight, tileWidth, tileHeight]
    const uri = `${spriteUri(Math.floor(tile / TILES))}#xywh=${place.join(',')}`
    cues.push(`${clockText(from)} --> ${clockText(to)}\n${uri}\n`)
  }
  return cues.join('\n')
}

function clockText(ticks: number): string {
  const ms = Math.round((ticks / PRESENTATION_TIMESCALE) * 1_000)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}.${String(ms % 1_000).padStart(3, '0')}`
}
