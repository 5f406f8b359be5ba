/** Warps of the seven references, six parameters each (AV1 bitstream §5.9.24). */
export type Av1Motion = readonly (readonly number[])[]

/** What frame headers take from the frames that they refer to (§7.20). */
export type Av1Reference = {
  readonly isKey: boolean
  readonly orderHint: number
  readonly upscaledWidth: number
  readonly height: number
  readonly motion: Av1Motion
  /** Per segment the quantizer's change, where there is one; `undefined` where no segment has any. */
  readonly segmentQuantizers: readonly (number | undefined)[]
}

/** The eight slots of reference frames. */
export type Av1References = readonly (Av1Reference | undefined)[]

/** References that nothing is known of yet. */
export const NO_REFERENCES: Av1References = new Array<undefined>(8).fill(undefined)

const IDENTITY = [0, 0, 1 << 16, 0, 0, 1 << 16]

/** No motion at all. */
export const NO_MOTION: Av1Motion = new Array<readonly number[]>(7).fill(IDENTITY)

/** How far `a` is behind `b` on the wrapping scale of order hints (§7.7). */
export function hintDistance(a: number, b: number, bits: number): number {
  if (bits === 0) return 0
  const middle = 1 << (bits - 1)
  const difference = a - b
  return (difference & (middle - 1)) - (difference & middle)
}

const LAST = 0
const LAST2 = 1
const LAST3 = 2
const GOLDEN = 3
const BACKWARD = 4
const ALTERNATIVE2 = 5
const ALTERNATIVE = 6

/** The slots of all seven references where a frame names only two of them (§7.8). */
export function referenceSlots(
  hints: readonly number[],
  orderHint: number,
  orderHintBits: number,
  last: number,
  golden: number,
): number[] {
  const slots = new Array<number>(7).fill(-1)
  slots[LAST] = last
  slots[GOLDEN] = golden
  const used = new Set([last, golden])
  const distances = hints.map((hint) => hintDistance(hint, orderHint, orderHintBits))
  const find = (isEligible: (distance: number) => boolean, isBetter: (distance: number, best: number) => boolean) => {
    let found = -1
    for (const [slot, distance] of distances.entries()) {
      if (used.has(slot) || !isEligible(distance)) continue
      if (found < 0 || isBetter(distance, distances[found] ?? 0)) found = slot
    }
    return found
  }
  const assign = (reference: number, slot: number) => {
    if (slot < 0) return
    slots[reference] = slot
    used.add(slot)
  }
  const isBehind = (distance: number) => distance >= 0
  const isNearest = (distance: number, best: number) => distance < best
  const isLatest = (distance: number, best: number) => distance >= best
  assign(ALTERNATIVE, find(isBehind, isLatest))
  assign(BACKWARD, find(isBehind, isNearest))
  assign(ALTERNATIVE2, find(isBehind, isNearest))
  for (const reference of [LAST2, LAST3, BACKWARD, ALTERNATIVE2, ALTERNATIVE]) {
    if ((slots[reference] ?? -1) < 0)
      assign(
        reference,
        find((distance) => distance < 0, isLatest),
      )
  }
  used.clear()
  const earliest = find(() => true, isNearest)
  return slots.map((slot) => (slot < 0 ? earliest : slot))
}
