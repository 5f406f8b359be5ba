/** Segments from `firstSequence` on were given up when the presentation ended at `endSequence`. */
export type Loss = { readonly firstSequence: number; readonly endSequence: number }

/** Older ones are put together: a reader that is so far behind looks at a little more than it has to. */
const MAX_LOSSES = 16

/** Notes one more; only what an older one doesn't say already is kept of it, so that the list grows in both numbers. */
export function withLoss(losses: readonly Loss[], loss: Loss): readonly Loss[] {
  const kept = [...losses.filter(({ firstSequence }) => firstSequence < loss.firstSequence), loss]
  const [oldest, second, ...others] = kept
  if (kept.length <= MAX_LOSSES || !oldest || !second) return kept
  return [{ ...second, firstSequence: oldest.firstSequence }, ...others]
}

/**
 * The first segment that may have been given up since a reader saw the presentation end at `endSequence`; `undefined`: none
 * was.
 */
export function lostSince(losses: readonly Loss[], endSequence: number): number | undefined {
  return losses.find((loss) => loss.endSequence >= endSequence)?.firstSequence
}
