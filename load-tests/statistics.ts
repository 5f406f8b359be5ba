/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  if (upper === undefined || lower === undefined) throw new Error('no values')
  return (lower + upper) / 2
}

/** One measurement of a round. */
export type Turn<Side> = { readonly round: number; readonly side: Side }

/** All sides once in each round; every other round in the opposite order, so that what drifts meets all of them. */
export function interleave<Side>(sides: readonly Side[], rounds: number): Turn<Side>[] {
  const turns: Turn<Side>[] = []
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? sides : [...sides].reverse()
    for (const side of order) turns.push({ round, side })
  }
  return turns
}
