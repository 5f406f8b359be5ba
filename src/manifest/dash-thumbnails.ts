import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { TILE_COLUMNS, TILE_ROWS, TILES, type TileGrid } from '../presentation/tile-grid.ts'
import { element, type Xml } from './xml.ts'

/** What a small picture takes at most, as a rule: `@bandwidth` has to say something of what is not made yet. */
const TILE_BYTES = 6_000

/**
 * The adaptation set of a period's thumbnails: sprites by number (DASH-IF IOP, "Thumbnail tiles"). `media` contains `$Number$`; the period
 * begins to play at `mediaTicks` (90 kHz). The number is that of the presentation's grid, in every period and every manifest.
 */
export function thumbnailSet(id: number, grid: TileGrid, mediaTicks: number, media: string): Xml {
  const { spriteTicks, tileWidth, tileHeight } = grid
  const startNumber = Math.floor(mediaTicks / spriteTicks)
  const template = element('SegmentTemplate', {
    ...{ media, startNumber, timescale: PRESENTATION_TIMESCALE, duration: spriteTicks },
    // The first sprite began before the period did.
    presentationTimeOffset: mediaTicks - startNumber * spriteTicks,
  })
  const spriteSeconds = spriteTicks / PRESENTATION_TIMESCALE
  const representation = element(
    'Representation',
    {
      id: 'thumbnails',
      bandwidth: Math.ceil((TILES * TILE_BYTES * 8) / spriteSeconds),
      width: tileWidth * TILE_COLUMNS,
      height: tileHeight * TILE_ROWS,
    },
    [
      element('EssentialProperty', {
        schemeIdUri: 'http://dashif.org/guidelines/thumbnail_tile',
        value: `${TILE_COLUMNS}x${TILE_ROWS}`,
      }),
    ],
  )
  return element('AdaptationSet', { id, contentType: 'image', mimeType: 'image/jpeg' }, [template, representation])
}
