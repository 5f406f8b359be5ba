/** The fragments of one track in one segment, in order. */
type FragmentRun<T> = { readonly fragments: T[]; leases: number; dropped: boolean }

/**
 * Fragments by segment and track. What is dropped is handed to `release` once nobody reads it; `lease` says that
 * somebody does.
 */
export class SegmentBytes<T> {
  readonly #segments = new Map<number, Map<number, FragmentRun<T>>>()
  readonly #sizeOf: (fragment: T) => number
  readonly #release: (fragments: readonly T[]) => void
  #sizeBytes = 0

  constructor(sizeOf: (fragment: T) => number, release: (fragments: readonly T[]) => void) {
    this.#sizeOf = sizeOf
    this.#release = release
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  add(sequence: number, track: number, fragment: T): void {
    const runs = this.#segments.get(sequence) ?? new Map<number, FragmentRun<T>>()
    this.#segments.set(sequence, runs)
    const run = runs.get(track)
    if (run) run.fragments.push(fragment)
    else runs.set(track, { fragments: [fragment], leases: 0, dropped: false })
    this.#sizeBytes += this.#sizeOf(fragment)
  }

  get(sequence: number, track: number): readonly T[] | undefined {
    return this.#segments.get(sequence)?.get(track)?.fragments
  }

  /** Everything, in the order in which it came. */
  *all(): Iterable<{ readonly sequence: number; readonly track: number; readonly fragments: readonly T[] }> {
    for (const [sequence, runs] of this.#segments) {
      for (const [track, { fragments }] of runs) yield { sequence, track, fragments }
    }
  }

  /** As `get`; what it gives is not released before `signal` is aborted. */
  lease(sequence: number, track: number, signal: AbortSignal): readonly T[] | undefined {
    const run = this.#segments.get(sequence)?.get(track)
    if (!run || signal.aborted) return undefined
    run.leases++
    signal.addEventListener('abort', () => this.#endLease(run), { once: true })
    return run.fragments
  }

  segmentBytes(sequence: number): number {
    let sum = 0
    for (const run of this.#segments.get(sequence)?.values() ?? []) sum += this.#runBytes(run)
    return sum
  }

  /** Drops all segments before `firstSequence`. */
  dropBefore(firstSequence: number): void {
    for (const sequence of this.#segments.keys()) {
      // Segments are added in the order of their numbers, so the first that stays ends the search.
      if (sequence >= firstSequence) return
      this.#drop(sequence)
    }
  }

  clear(): void {
    this.dropBefore(Number.POSITIVE_INFINITY)
  }

  #drop(sequence: number): void {
    for (const run of this.#segments.get(sequence)?.values() ?? []) {
      run.dropped = true
      this.#sizeBytes -= this.#runBytes(run)
      if (run.leases === 0) this.#release(run.fragments)
    }
    this.#segments.delete(sequence)
  }

  #endLease(run: FragmentRun<T>): void {
    run.leases--
    if (run.dropped && run.leases === 0) this.#release(run.fragments)
  }

  #runBytes(run: FragmentRun<T>): number {
    return run.fragments.reduce((sum, fragment) => sum + this.#sizeOf(fragment), 0)
  }
}
