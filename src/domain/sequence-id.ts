/** 2^53 has 16 digits: padded to them, the order of the texts is the order of the numbers. */
const DIGITS = 16

type SequencePrefix = 'ev' | 'au'

/** The id of an event (`ev`) or audit record (`au`) by its sequence in the store's log: sorts as text, never goes back. */
export function sequenceId(prefix: SequencePrefix, sequence: number): string {
  return `${prefix}_${String(sequence).padStart(DIGITS, '0')}`
}

/** The sequence of an id; `undefined` for what is not one. */
export function parseSequenceId(prefix: SequencePrefix, id: string): number | undefined {
  const digits = id.startsWith(`${prefix}_`) ? id.slice(prefix.length + 1) : ''
  const sequence = /^\d{16}$/.test(digits) ? Number(digits) : Number.NaN
  return Number.isSafeInteger(sequence) ? sequence : undefined
}
