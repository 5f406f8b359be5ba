import type { BitReader } from './bit-reader.ts'

/** A reference picture by its distance in picture order, and whether the picture itself refers to it. */
type Reference = { readonly delta: number; readonly used: boolean }

/** A short-term reference picture set (ITU-T H.265 §7.4.8): those before in output order, and those behind, the nearest first each. */
export type HevcReferenceSet = { readonly before: readonly Reference[]; readonly behind: readonly Reference[] }

const MAX_PICTURES = 16

/**
 * Reads st_ref_pic_set number `index` (§7.3.7), where `sets` are those of the sequence so far; a slice's own set is number
 * `sets.length`, with `inSlice`. @throws FormatError
 */
export function readReferenceSet(
  bits: BitReader,
  index: number,
  sets: readonly HevcReferenceSet[],
  inSlice: boolean,
): HevcReferenceSet {
  if (index > 0 && bits.flag()) return readPredicted(bits, index, sets, inSlice)
  const beforeCount = bits.ue()
  const behindCount = bits.ue()
  if (beforeCount + behindCount > MAX_PICTURES) bits.fail(`${beforeCount + behindCount} reference pictures in a set`)
  return { before: readRun(bits, beforeCount, -1), behind: readRun(bits, behindCount, 1) }
}

function readRun(bits: BitReader, count: number, sign: number): Reference[] {
  const run: Reference[] = []
  let delta = 0
  for (let left = count; left > 0; left--) {
    delta += sign * (bits.ue() + 1)
    run.push({ delta, used: bits.flag() })
  }
  return run
}

/** A set that is told as a difference to another one ((7-59) to (7-62)). */
function readPredicted(
  bits: BitReader,
  index: number,
  sets: readonly HevcReferenceSet[],
  inSlice: boolean,
): HevcReferenceSet {
  const base = sets[index - 1 - (inSlice ? bits.ue() : 0)]
  if (base === undefined) bits.fail('a reference picture set of an unknown one')
  const sign = bits.flag() ? -1 : 1
  const shift = sign * (bits.ue() + 1)
  const candidates = [...base.before, ...base.behind, { delta: 0, used: false }]
  const kept = candidates.map(({ delta }) => {
    const used = bits.flag()
    return { delta: delta + shift, used, isKept: used || bits.flag() }
  })
  const wanted = kept.filter(({ delta, isKept }) => isKept && delta !== 0)
  if (wanted.length > MAX_PICTURES) bits.fail(`${wanted.length} reference pictures in a set`)
  const before = wanted.filter(({ delta }) => delta < 0).sort((a, b) => b.delta - a.delta)
  const behind = wanted.filter(({ delta }) => delta > 0).sort((a, b) => a.delta - b.delta)
  return { before, behind }
}

/** How many pictures of the set the picture itself refers to. */
export function usedReferences({ before, behind }: HevcReferenceSet): number {
  return [...before, ...behind].filter(({ used }) => used).length
}
