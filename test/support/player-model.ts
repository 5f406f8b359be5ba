import { createHash } from 'node:crypto'
import { fetchBytes, fetchMedia, type ListedSegment } from './playlist.ts'

const POLL_MS = 100

type Known = { readonly what: string; readonly discontinuitySequence: number }

/**
 * Reads one media playlist again and again as a player does, and holds it against all that it said before: no number stands for
 * something else, nothing goes back, no URL has two contents.
 */
export class PlayerModel {
  readonly problems: string[] = []
  readonly #url: string
  readonly #known = new Map<number, Known>()
  readonly #digests = new Map<string, string>()
  #first = 0
  #end = 0
  #isOver = false
  #done: Promise<void> | undefined

  constructor(url: string) {
    this.#url = url
  }

  get segments(): number {
    return this.#digests.size
  }

  start(): void {
    this.#done = this.#poll()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  async #poll(): Promise<void> {
    while (!this.#isOver) {
      // The server is away half of the time.
      await this.look().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** One reading; rejects where the server does not answer. */
  async look(): Promise<readonly ListedSegment[]> {
    const { segments, mediaSequence } = await fetchMedia(this.#url)
    if (mediaSequence < this.#first) this.problems.push(`the playlist went back to ${mediaSequence}`)
    const end = mediaSequence + segments.length
    if (end < this.#end) this.problems.push(`the playlist ended at ${this.#end} and now at ${end}`)
    this.#first = Math.max(this.#first, mediaSequence)
    this.#end = Math.max(this.#end, end)
    for (const segment of segments) this.#compare(segment)
    for (const { url, gap } of segments) if (!gap && !this.#digests.has(url)) await this.#fetch(url)
    return segments
  }

  /** Every segment that was ever fetched has the content that it had. */
  async fetchAgain(): Promise<void> {
    for (const [url, digest] of this.#digests) {
      if (digestOf(await fetchBytes(url)) !== digest) this.problems.push(`${url} has another content`)
    }
  }

  #compare({ sequence, gap, url, discontinuitySequence }: ListedSegment): void {
    const what = gap ? 'gap' : url
    const known = this.#known.get(sequence)
    this.#known.set(sequence, { what, discontinuitySequence })
    if (!known) return
    if (known.what !== what) this.problems.push(`${sequence} was ${known.what} and is ${what}`)
    if (known.discontinuitySequence !== discontinuitySequence)
      this.problems.push(`${sequence} moved to another stretch`)
  }

  async #fetch(url: string): Promise<void> {
    const digest = digestOf(await fetchBytes(url))
    this.#digests.set(url, digest)
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
