/** What players say they ask for (CTA-5004 `ot`): the closed list of the `object` label. */
export const cmcdObjects = ['m', 'a', 'v', 'av', 'i', 'c', 'tt', 'k', 'o', 'unknown'] as const
/** A value of the `object` label. */
export type CmcdObject = (typeof cmcdObjects)[number]

/** The figures whose distribution is kept, with the buckets' upper bounds in what players say: ms and kbit/s. */
export const cmcdBounds = {
  bl: [100, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000],
  dl: [100, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000],
  mtp: [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000],
  br: [64, 128, 256, 512, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000],
} as const
/** One of them. */
export type CmcdFigure = keyof typeof cmcdBounds

/** A player's report, as it is counted. */
export type CmcdReport = {
  readonly object: CmcdObject
  readonly version: '1' | '2' | 'other'
  readonly samples: readonly { readonly figure: CmcdFigure; readonly object: CmcdObject; readonly value: number }[]
  readonly isStarved: boolean
  readonly isStartup: boolean
}

/** Counts of one kind of object; of each figure one for each bound and a last one for what is more, and their sum. */
type ObjectCounts = {
  readonly starvations: number
  readonly startups: number
  readonly figures: Readonly<Partial<Record<CmcdFigure, { readonly buckets: readonly number[]; readonly sum: number }>>>
}

/** What reports of players have come to: plain data that only grows. */
export type CmcdCounts = {
  readonly reports: Readonly<Record<string, number>>
  readonly objects: Readonly<Partial<Record<CmcdObject, ObjectCounts>>>
}

type Tally = {
  starvations: number
  startups: number
  figures: Partial<Record<CmcdFigure, { buckets: number[]; sum: number }>>
}

/** Counts what players report, inside an origin thread. */
export class CmcdCounter {
  readonly #reports: Record<string, number> = {}
  readonly #objects = new Map<CmcdObject, Tally>()

  add({ object, version, samples, isStarved, isStartup }: CmcdReport): void {
    this.#reports[version] = (this.#reports[version] ?? 0) + 1
    if (isStarved) this.#of(object).starvations += 1
    if (isStartup) this.#of(object).startups += 1
    for (const sample of samples) {
      const bounds: readonly number[] = cmcdBounds[sample.figure]
      const { figures } = this.#of(sample.object)
      figures[sample.figure] ??= { buckets: new Array<number>(bounds.length + 1).fill(0), sum: 0 }
      const figure = figures[sample.figure]
      const at = bounds.findIndex((bound) => sample.value <= bound)
      const bucket = at < 0 ? bounds.length : at
      if (!figure) continue
      figure.buckets[bucket] = (figure.buckets[bucket] ?? 0) + 1
      figure.sum += sample.value
    }
  }

  /** What later reports don't alter; `undefined`: nothing was reported. */
  snapshot(): CmcdCounts | undefined {
    if (Object.keys(this.#reports).length === 0) return undefined
    return structuredClone({ reports: this.#reports, objects: Object.fromEntries(this.#objects) })
  }

  #of(object: CmcdObject): Tally {
    const tally = this.#objects.get(object) ?? { starvations: 0, startups: 0, figures: {} }
    this.#objects.set(object, tally)
    return tally
  }
}
