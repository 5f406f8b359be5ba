import type { Ladder, Rung } from './ladder.ts'

/** A picture size in pixels. */
export type PictureSize = { readonly width: number; readonly height: number }

/** A rung as it is encoded for one source: its place in the ladder (0 is the best) and the exact picture size. */
export type SizedRung = { readonly index: number; readonly rung: Rung; readonly size: PictureSize }

/** A source this little smaller than a rung keeps the rung, at the source's own size. */
const NEARLY_THE_RUNG = 1.1

/** The nearest even size that isn't larger than the source's. */
function evenWithin(pixels: number, sourcePixels: number): number {
  return Math.max(2, Math.min(2 * Math.round(pixels / 2), 2 * Math.floor(sourcePixels / 2)))
}

function fitInto(source: PictureSize, rung: Rung): { readonly scale: number; readonly size: PictureSize } {
  const portrait = source.height > source.width
  const boxWidth = portrait ? rung.height : rung.width
  const boxHeight = portrait ? rung.width : rung.height
  const wanted = Math.min(boxWidth / source.width, boxHeight / source.height)
  const scale = Math.min(1, wanted)
  const width = evenWithin(source.width * scale, source.width)
  const height = evenWithin(source.height * scale, source.height)
  return { scale: wanted, size: { width, height } }
}

/**
 * The rungs that suit a source: fitted into each rung's box with the aspect ratio kept, square pixels and even sizes,
 * never enlarged. Where every rung is larger than the source, the cheapest one that is nearest to it, at the source's size (the last row or column of an odd one is left out).
 */
export function chooseRungs(ladder: Ladder, source: PictureSize): readonly SizedRung[] {
  const fitted = ladder.rungs.map((rung, index) => ({ index, rung, ...fitInto(source, rung) }))
  const kept = fitted
    .filter(({ scale }) => scale < NEARLY_THE_RUNG)
    .map(({ index, rung, size }) => ({ index, rung, size }))
  const last = fitted.at(-1)
  if (kept.length > 0 || last === undefined) return kept
  return [{ index: last.index, rung: last.rung, size: last.size }]
}

/**
 * How many rungs a machine carries beside ingest and delivery: 2 on one core, 3 on two, then one more for each core.
 * The best and the smallest rung stay, the others are taken evenly between.
 */
export function rungsForCores(ladder: Ladder, cores: number): Ladder {
  const count = Math.min(ladder.rungs.length, Math.max(2, Math.floor(cores) + 1))
  if (count === ladder.rungs.length) return ladder
  const step = (ladder.rungs.length - 1) / (count - 1)
  const rungs = Array.from({ length: count }, (_, i) => ladder.rungs[Math.round(i * step)]).filter(
    (rung) => rung !== undefined,
  )
  return { ...ladder, rungs }
}
