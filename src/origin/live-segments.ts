import { AppError } from '../lib/errors.ts'
import { matchesEtag } from '../lib/http-conditions.ts'
import { withProducerReferences } from '../packaging/producer-references.ts'
import { carriedEvents } from '../presentation/carried-events.ts'
import { findNumbered, type NumberedPlace, type NumberedSegment } from '../presentation/epoch-grid.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment, SegmentRow } from '../presentation/view.ts'
import { type Answer, notModified, rangeAnswer } from './answer.ts'
import type { BlockingReload } from './blocking-reload.ts'
import type { Goal } from './live-waits.ts'
import { CACHE_CONTROL, gone, type MediaRequest } from './media-answers.ts'
import type { FragmentReader } from './ports.ts'
import type { ResponseWatch } from './response-watch.ts'

/** What a connection holds of a segment that is being written: the chunks lie in the log's own memory, a lease for all who read them. */
const WINDOW_BYTES = 65_536

/** A request for a segment by its number. */
export type NumberedRequest = MediaRequest & {
  readonly watch: ResponseWatch
  readonly rendition: Rendition
  /** Absent: in the clear. */
  readonly protection?: ChunkProtection | undefined
}

/** How segments by number are encrypted: a closed one whole, of an open one the chunk at `index`, without what stands before it. */
export type ChunkProtection = {
  closed(row: SegmentRow, segment: RenditionSegment): Promise<Answer>
  chunk(open: OpenSegment, track: Track, fragments: readonly Uint8Array[], index: number): Promise<Uint8Array>
}

/** What of a segment doesn't change while it is written. */
export type OpenSegment = Pick<SegmentRow, 'sequence' | 'startTicks' | 'wallMs'>

/**
 * Segments by their number on the epoch grid, as players of low-latency DASH ask for them: the one that is being written too, which is sent chunk by
 * chunk as it grows. Its bytes are the same then and later: what is stored, with a `prft` before each chunk.
 */
export class LiveSegments {
  readonly #fragments: FragmentReader
  readonly #reload: Pick<BlockingReload, 'waitFor'>

  constructor(fragments: FragmentReader, reload: Pick<BlockingReload, 'waitFor'>) {
    this.#fragments = fragments
    this.#reload = reload
  }

  /** @throws AppError `SEGMENT_GONE`, `SEGMENT_NOT_YET`, `URL_UNKNOWN` for what has no media, and what reading media throws */
  async answer(asked: NumberedRequest, wanted: NumberedSegment): Promise<Answer> {
    const { view, rendition, watch } = asked
    const place = findNumbered(view, rendition.index, wanted)
    const track = view.track(wanted.track)
    if (place.kind === 'closed' && track) {
      const [row, segment] = [view.segment(place.sequence), view.renditionSegment(rendition.index, place.sequence)]
      if (!row || !segment) throw gone()
      return asked.protection ? asked.protection.closed(row, segment) : this.#closed(asked, row, segment)
    }
    const open = view.live?.openSegment
    if (place.kind !== 'open' || open?.sequence !== place.sequence || !track) throw absent(place)
    watch.kind = 'live-segment'
    return {
      status: 200,
      headers: headersOf(asked),
      chunks: [],
      sizeBytes: 0,
      stream: { windowBytes: WINDOW_BYTES, isOpenEnded: true, open: () => this.#chunks(asked, open, wanted.track) },
    }
  }

  async #closed(asked: NumberedRequest, row: SegmentRow, segment: RenditionSegment): Promise<Answer> {
    const { request, view, digest, rendition, signal, admission } = asked
    const { track, sequence, startTicks, sizeBytes } = segment
    const etag = `"${digest}-prft-${track}-${startTicks}-${sizeBytes}"`
    const headers = headersOf(asked)
    if (matchesEtag(request.headers['if-none-match'], etag)) return notModified([...headers, 'ETag', etag])
    if (admission && !this.#fragments.isReady?.(view.header.id, rendition.index, sequence)) admission.forWork()
    const read = this.#fragments.read(view.header.id, rendition.index, sequence, signal)
    const fragments = read instanceof Promise ? await read : read
    if (!fragments) throw gone()
    const pieces = fragments.flatMap((fragment) => referenced(asked, row, track, fragment))
    return rangeAnswer(request, etag, headers, [...eventsOf(asked, sequence), ...pieces])
  }

  /**
   * The chunks of an open segment as they come, until it is closed. Memory stays leased until the response is over, because what was written
   * may not have been taken yet. Throws when the segment ends in another way: the answer is then cut, so that nobody takes it for whole.
   */
  async *#chunks(asked: NumberedRequest, open: OpenSegment, track: number): AsyncIterable<Uint8Array> {
    const { view, rendition, signal, watch } = asked
    const { sequence } = open
    yield* eventsOf(asked, sequence)
    let sent = 0
    while (!signal.aborted) {
      // Looked at before the bytes are: what is closed has all of them, and a slow client lets the log go on meanwhile.
      const isOpen = isOpenIn(view, sequence)
      const known = view.live?.parts(rendition.index, sequence)?.length ?? Number.POSITIVE_INFINITY
      const fragments = (await this.#fragments.read(view.header.id, rendition.index, sequence, signal)) ?? []
      const isGivenUp = !isOpen && view.renditionSegment(rendition.index, sequence)?.track !== track
      if (isGivenUp || fragments.length < known) {
        throw new AppError('SEGMENT_GONE', 'The segment was given up while it was sent.')
      }
      for (let at = sent; at < fragments.length; at++) {
        const fragment = await chunkOf(asked, open, track, fragments, at)
        yield* referenced(asked, open, track, fragment)
      }
      sent = Math.max(sent, fragments.length)
      if (!isOpen) return
      await this.#reload.waitFor(view, growth(rendition, sequence, sent), watch)
    }
  }
}

function chunkOf(
  { protection, view }: NumberedRequest,
  open: OpenSegment,
  track: number,
  fragments: readonly Uint8Array[],
  at: number,
): Uint8Array | Promise<Uint8Array> {
  const [fragment, known] = [fragments[at], view.track(track)]
  if (!fragment || !known) throw gone()
  return protection ? protection.chunk(open, known, fragments, at) : fragment
}

function headersOf({ rendition, caching }: NumberedRequest): string[] {
  return ['Content-Type', `${rendition.kind}/mp4`, 'Cache-Control', CACHE_CONTROL[caching]]
}

function eventsOf({ view, rendition }: NumberedRequest, sequence: number): readonly Uint8Array[] {
  const events = carriedEvents(view, rendition, sequence)
  return events ? [events] : []
}

function referenced(
  { view }: NumberedRequest,
  instant: OpenSegment,
  track: number,
  fragment: Uint8Array,
): Uint8Array[] {
  const { timescale } = view.track(track) ?? {}
  if (timescale === undefined) throw gone()
  return withProducerReferences(fragment, instant, timescale)
}

/** What somebody who has so many chunks waits for. */
function growth(rendition: Rendition, sequence: number, sent: number): Goal {
  return {
    key: `growth ${rendition.index} ${sequence} ${sent}`,
    isMet: (now) => !isOpenIn(now, sequence) || grownBeyond(now, rendition, sequence, sent),
  }
}

function grownBeyond(view: PresentationView, { index }: Rendition, sequence: number, sent: number): boolean {
  return (view.live?.parts(index, sequence)?.length ?? 0) > sent
}

function isOpenIn({ live }: PresentationView, sequence: number): boolean {
  return live?.openSegment?.sequence === sequence
}

function absent({ kind }: NumberedPlace): AppError {
  if (kind === 'gone') return gone()
  if (kind === 'ahead' || kind === 'far') return new AppError('SEGMENT_NOT_YET', 'This segment is not there yet.')
  return new AppError('URL_UNKNOWN', 'There is no media of this track at this time.')
}
