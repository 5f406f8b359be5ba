import { z } from 'zod'

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SIZE_UNITS_BYTES = {
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
} as const

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim())
  const [, count, unit = ''] = match ?? []
  // Own keys only: "2toString" is no duration.
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  return factor === undefined ? undefined : Number(count) * factor
}

function scalar(units: Readonly<Record<string, number>>, example: string) {
  return z.string({ error: `expected a value like ${example}` }).transform((text, context) => {
    const value = parseWithUnit(text, units)
    if (value !== undefined) return Math.round(value)
    context.addIssue({ code: 'custom', message: `expected a value like ${example}, got "${text}"` })
    return z.NEVER
  })
}

/** A duration as people write it (`500ms`, `2s`, `5m`, `25h`, `3d`); the value is in milliseconds. */
export const duration = scalar(DURATION_UNITS_MS, '500ms, 2s, 5m, 25h or 3d')

/** A size in bytes as people write it (`64kB`, `8MiB`, `1GB`); the value is in bytes. */
export const byteSize = scalar(SIZE_UNITS_BYTES, '64kB, 8MiB or 1GB')

/** A value that never prints: not in a log, not in JSON, not in an error. `reveal` is the only way to it. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}

/** A configured secret of at least `minLength` characters that can stand in a URL path. */
export function secret(minLength: number) {
  return z
    .string({ error: 'must be text: a key of digits alone stands in quotes' })
    .min(minLength)
    .regex(/^[A-Za-z0-9._~-]+$/, 'may hold letters, digits and . _ ~ - only')
    .transform((value) => new Secret(value))
}
