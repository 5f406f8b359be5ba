/** What the engine asked for, as it carries it along: a segment of what, and the time at which it is presented. */
type AskedFor = {
  readonly type?: string
  readonly mediaType?: string
  readonly startTime?: number
  readonly traces?: unknown[]
}

/** What of an answer is looked at, and put in another's place. */
export type SegmentAnswer = {
  status?: number
  data?: unknown
  readonly request: object
}

/** The newest of one kind of media that was asked for. */
type Asked = {
  readonly atS: number
  /** How many in a row were not there, this one the last of them; 0: it is there. */
  readonly missing: number
  /** Since the first of them a manifest has come that lists the stretch as before. */
  readonly isListed: boolean
}

/** A box that says nothing (ISO/IEC 14496-12 §8.1.2). */
const NOTHING = Uint8Array.of(0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65)
const NOT_THERE = 404
/** Absences of an encoder are mostly over by then: a minute of segments of 2 s. */
const MANY_IN_A_ROW = 30
/** What a stream has from its beginning to its end, where it has it at all. */
const STEADY = ['video', 'audio']

/**
 * Where there is no media in a stream whose segments are counted. An engine that asks for one which will never be there (the encoder was away, or
 * the program has ended) asks again, gives up, and takes the server for broken. Here it is given a segment of nothing instead: it goes on from
 * one number to the next, and finds the period that comes later.
 */
export class DashHoles {
  /** By the kind of media. */
  readonly #asked = new Map<string, Asked>()

  /** Whether nothing is there of the newest that was asked for from `startS` on, of pictures and of sound: the encoder is away from both at once. */
  isMissingFrom(startS: number): boolean {
    const asked = [...this.#asked.values()].filter(({ atS }) => atS >= startS)
    return asked.length > 0 && asked.every(({ missing }) => missing > 0)
  }

  /** So many in a row of one kind were not there, though the manifest goes on listing them, that it may be what they are asked of that is gone. */
  get isInVain(): boolean {
    return [...this.#asked.values()].some(({ missing, isListed }) => isListed && missing >= MANY_IN_A_ROW)
  }

  /** A manifest has come of which the newest stretch begins at `startS`. */
  listed(startS: number): void {
    for (const [kind, asked] of this.#asked) {
      if (asked.atS < startS) this.#asked.delete(kind)
      else this.#asked.set(kind, { ...asked, isListed: asked.missing > 0 })
    }
  }

  /** Puts nothing into the place of a segment of media that is not there, and says whether it did; other answers stay as they are. */
  fill(answer: SegmentAnswer): boolean {
    const asked = askedFor(answer.request)
    if (asked?.type !== 'MediaSegment') return false
    const { status = 0 } = answer
    if (status >= 200 && status < 300) this.#note(asked, false)
    if (status !== NOT_THERE) return false
    this.#note(asked, true)
    answer.status = 200
    answer.data = NOTHING.slice().buffer
    // How fast an answer without media came says nothing of the network.
    if (asked.traces) asked.traces.length = 0
    return true
  }

  #note({ mediaType = '', startTime = 0 }: AskedFor, isMissing: boolean): void {
    if (!STEADY.includes(mediaType)) return
    const before = this.#asked.get(mediaType)
    const missing = isMissing ? (before?.missing ?? 0) + 1 : 0
    this.#asked.set(mediaType, { atS: startTime, missing, isListed: isMissing && (before?.isListed ?? false) })
  }
}

function askedFor(request: { customData?: unknown }): AskedFor | undefined {
  return (request.customData as { readonly request?: AskedFor } | undefined)?.request
}
