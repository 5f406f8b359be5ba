/** What the engine asked for, as it carries it along: a segment and the time at which it is presented. */
type AskedFor = { readonly type?: string; readonly startTime?: number; readonly traces?: unknown[] }

/** What of an answer is looked at, and put in another's place. */
export type SegmentAnswer = {
  status?: number
  data?: unknown
  readonly request: object
}

/** A box that says nothing (ISO/IEC 14496-12 §8.1.2). */
const NOTHING = Uint8Array.of(0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65)
const NOT_THERE = 404

/**
 * Where there is no media in a stream whose segments are counted. An engine that asks for one which will never be there (the encoder was away, or
 * the program has ended) asks again, gives up, and takes the server for broken. Here it is given a segment of nothing instead: it goes on from
 * one number to the next, and finds the period that comes later.
 */
export class DashHoles {
  /** The presentation time of the newest segment that was asked for and is not there; `undefined` since there was one. */
  #missingS: number | undefined

  /** Whether the newest that was asked for from `startS` on is not there. */
  isMissingFrom(startS: number): boolean {
    return this.#missingS !== undefined && this.#missingS >= startS
  }

  /** Puts nothing into the place of a segment of media that is not there, and says whether it did; other answers stay as they are. */
  fill(answer: SegmentAnswer): boolean {
    const asked = askedFor(answer.request)
    if (asked?.type !== 'MediaSegment') return false
    const { status = 0 } = answer
    if (status >= 200 && status < 300) this.#missingS = undefined
    if (status !== NOT_THERE) return false
    this.#missingS = asked.startTime
    answer.status = 200
    answer.data = NOTHING.slice().buffer
    // How fast an answer without media came says nothing of the network.
    if (asked.traces) asked.traces.length = 0
    return true
  }
}

function askedFor(request: { customData?: unknown }): AskedFor | undefined {
  return (request.customData as { readonly request?: AskedFor } | undefined)?.request
}
