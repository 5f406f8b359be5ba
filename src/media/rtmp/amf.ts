import type { ByteReader } from '../../lib/bytes.ts'

/** An object or ECMA array; it has no prototype, so a key such as `__proto__` is a key like any other. */
export type AmfObject = { [key: string]: AmfValue }

/** What AMF0 and AMF3 values become. Dates are milliseconds since the Unix epoch; XML documents are their text. */
export type AmfValue = number | boolean | string | null | undefined | Uint8Array | AmfValue[] | AmfObject

/** How much an AMF message may hold before it is a `FormatError`. */
export type AmfLimits = {
  /** Nested objects and arrays; recursion never goes deeper than this. */
  readonly maxDepth: number
  /** Values in all. A reference counts as everything it stands for, so that none can be multiplied. */
  readonly maxValues: number
}

/** Far more than any encoder's commands need. */
export const defaultAmfLimits: AmfLimits = { maxDepth: 16, maxValues: 4096 }

/** A value that a reference may name: what it cost to read, and how deep it is. */
export type AmfReferable = { readonly value: AmfValue; cost: number; height: number; whole: boolean }

/** Counts values and depth over one message, AMF0 and AMF3 parts together. */
export class AmfBudget {
  readonly reader: ByteReader
  readonly #limits: AmfLimits
  #spent = 0
  #depth = 0
  #deepest = 0

  constructor(reader: ByteReader, limits: AmfLimits) {
    this.reader = reader
    this.#limits = limits
  }

  /** Claims `values` more; a `FormatError` past the limit. */
  charge(values: number): void {
    this.#spent += values
    if (this.#spent > this.#limits.maxValues) this.reader.fail(`more than ${this.#limits.maxValues} AMF values`)
  }

  /** Reads what stands inside an object or array into `table`, one level deeper. */
  nest<T extends AmfValue>(table: AmfReferable[], value: T, read: () => void): T {
    const entry: AmfReferable = { value, cost: 0, height: 0, whole: false }
    table.push(entry)
    const before = this.#spent
    const outer = this.#deepest
    this.#enter(1)
    this.#deepest = this.#depth
    read()
    entry.cost = this.#spent - before + 1
    entry.height = this.#deepest - this.#depth + 1
    entry.whole = true
    this.#deepest = Math.max(outer, this.#deepest)
    this.#depth -= 1
    return value
  }

  /** What a reference names. One that points into what is still being read would be a cycle: a `FormatError`. */
  resolve(table: readonly AmfReferable[], index: number): AmfValue {
    const entry = table[index]
    if (!entry?.whole) this.reader.fail(`AMF reference ${index} to nothing that is whole`)
    this.charge(entry.cost)
    this.#enter(entry.height)
    this.#deepest = Math.max(this.#deepest, this.#depth)
    this.#depth -= entry.height
    return entry.value
  }

  #enter(levels: number): void {
    this.#depth += levels
    if (this.#depth > this.#limits.maxDepth) this.reader.fail(`AMF nested more than ${this.#limits.maxDepth} deep`)
  }
}

/** An object without prototype, ready for keys that a peer chooses. */
export function emptyAmfObject(): AmfObject {
  return Object.create(null) as AmfObject
}

/** The value as an object with keys, or `undefined` for everything else. */
export function asAmfObject(value: AmfValue): AmfObject | undefined {
  if (value === null || typeof value !== 'object') return undefined
  return Array.isArray(value) || value instanceof Uint8Array ? undefined : value
}
