/** The first index of `from` ≤ n < `end` for which `isBehind` holds, as it does for all behind that one; `end` where it holds for none. */
export function firstIndex(from: number, end: number, isBehind: (index: number) => boolean): number {
  let low = from
  let high = end
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (isBehind(middle)) high = middle
    else low = middle + 1
  }
  return low
}
