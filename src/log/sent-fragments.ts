import type { FeedEntry, SentFragment } from './feed-messages.ts'
import type { FragmentMemory } from './fragment-memory.ts'

/** The fragments that another thread may read: each is held here until that thread gives its token back. */
export class SentFragments {
  readonly #memory: FragmentMemory
  readonly #held = new Map<number, Uint8Array>()
  readonly #knownRegions = new Set<number>()
  #lastToken = 0

  constructor(memory: FragmentMemory) {
    this.#memory = memory
  }

  get size(): number {
    return this.#held.size
  }

  /** Holds the bytes for the other thread; `before` gets the news of memory that it has not seen yet. */
  send(bytes: Uint8Array, before: FeedEntry[]): SentFragment {
    const place = this.#memory.placeOf(bytes)
    if (!this.#knownRegions.has(place.region)) {
      this.#knownRegions.add(place.region)
      before.push({ kind: 'region', region: place.region, buffer: this.#memory.regionBuffer(place.region) })
    }
    this.#memory.hold(bytes)
    const token = ++this.#lastToken
    this.#held.set(token, bytes)
    return { ...place, token }
  }

  /** Takes back what these entries, which were not sent after all, hold. */
  unsend(entries: Iterable<FeedEntry>): void {
    for (const entry of entries) {
      if (entry.kind === 'record' || entry.kind === 'bytes')
        this.release(entry.fragments.map((fragment) => fragment.token))
      else if (entry.kind === 'region') this.#knownRegions.delete(entry.region)
    }
  }

  /** Tokens that are not known (any more) are ignored: what they stood for was taken back when the other thread restarted. */
  release(tokens: Iterable<number>): void {
    for (const token of tokens) {
      const bytes = this.#held.get(token)
      if (bytes && this.#held.delete(token)) this.#memory.release(bytes)
    }
  }

  /** The other thread knows nothing and reads nothing. */
  releaseAll(): void {
    this.release([...this.#held.keys()])
    this.#knownRegions.clear()
  }
}
