import type { Clock } from '../lib/clock.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import { readBoxes, requireBox } from '../media/isobmff/boxes.ts'
import { readMovie, type SampleDefaults } from '../media/isobmff/movie.ts'
import type { TrackFragment } from '../media/isobmff/movie-fragment.ts'
import { type SampleTable, SampleTableBuilder } from '../media/isobmff/progressive-samples.ts'
import { sameConfig } from '../media/same-config.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView, Rendition, RenditionSegment } from '../presentation/view.ts'
import { scanSegment } from './download-scan.ts'
import type { SegmentSource } from './ports.ts'

/** Segments that are scanned at the same time: what waits for storage then waits together. */
const SCANS_AT_ONCE = 16
/** What is in memory is scanned without a wait; after so many segments others have their turn. */
const SEGMENTS_PER_TURN = 32
const FIRST_READ_BYTES = 4_096

type Defaults = ReadonlyMap<number, SampleDefaults>
type Scanned = {
  readonly segment: RenditionSegment
  readonly track: Track
  readonly fragments: readonly TrackFragment[]
}

/** What a table is made with. */
export type IndexPorts = { readonly segments: SegmentSource; readonly clock: Clock }

/**
 * The table of all samples that a presentation has of a rendition, read from the headers of its fragments; an empty one
 * where there are none.
 *
 * @throws AppError `DOWNLOAD_UNSUPPORTED` where one MP4 can't hold them, `SEGMENT_GONE`, `LIMIT_EXCEEDED`, `ARCHIVE_DAMAGED`; what
 * reading throws
 */
export async function indexRendition(
  view: PresentationView,
  rendition: Rendition,
  { segments, clock }: IndexPorts,
  signal: AbortSignal,
): Promise<SampleTable> {
  const first = rendition.tracks[0] as Track
  const { timescale, language } = first
  const changes = rendition.tracks.some(({ config }) => !sameConfig(config, first.config))
  const builder = new SampleTableBuilder({ kind: rendition.kind, timescale, changes, ...(language && { language }) })
  const scans = new SegmentScans(view, rendition, segments, signal)
  let count = 0
  try {
    for await (const { segment, track, fragments } of scans.all()) {
      if (track.timescale !== timescale) throw otherTimescale(rendition, timescale, track.timescale)
      builder.beginSegment(segment.sequence, track.config)
      for (const fragment of fragments) builder.addFragment(fragment)
      if (++count % SEGMENTS_PER_TURN === 0) await clock.sleep(0, signal)
    }
  } catch (cause) {
    // Nothing is wrong with the request.
    if (!(cause instanceof FormatError)) throw cause
    throw new AppError('ARCHIVE_DAMAGED', `A segment of ${rendition.name} can not be read.`, { cause })
  }
  return builder.finish()
}

/** Reads the fragments' headers of one segment after the other, some of them ahead. */
class SegmentScans {
  readonly #view: PresentationView
  readonly #rendition: Rendition
  readonly #segments: SegmentSource
  readonly #signal: AbortSignal
  readonly #defaults = new Map<number, Defaults>()
  /** What the last segment needed: the next one will hardly need more. */
  #readBytes = FIRST_READ_BYTES
  #fragments = 1

  constructor(view: PresentationView, rendition: Rendition, segments: SegmentSource, signal: AbortSignal) {
    this.#view = view
    this.#rendition = rendition
    this.#segments = segments
    this.#signal = signal
  }

  async *all(): AsyncGenerator<Scanned> {
    const ahead: Promise<Scanned>[] = []
    const { endSequence } = this.#view
    for (let sequence = this.#view.firstSequence; sequence < endSequence; sequence++) {
      const segment = this.#view.renditionSegment(this.#rendition.index, sequence)
      const track = segment && this.#view.track(segment.track)
      if (!segment || !track) continue
      const scan = this.#scan(segment, track)
      // One that fails while others are awaited is told when its turn comes, if it does.
      scan.catch(() => undefined)
      ahead.push(scan)
      const due = ahead.length === SCANS_AT_ONCE ? ahead.shift() : undefined
      if (due) yield await due
    }
    for (const scan of ahead) yield await scan
  }

  async #scan(segment: RenditionSegment, track: Track): Promise<Scanned> {
    const { sequence, sizeBytes } = segment
    const { header } = this.#view
    const options = { readBytes: this.#readBytes, fragments: this.#fragments, defaults: this.#defaultsOf(track) }
    const { fragments, headBytes } = await scanSegment(sizeBytes, options, async (range) => {
      const bytes = await this.#segments.read(header.id, this.#rendition.index, sequence, range, this.#signal)
      if (!bytes) throw segmentGone()
      return bytes
    })
    this.#readBytes = Math.max(FIRST_READ_BYTES, Math.ceil((headBytes * 5) / 4))
    this.#fragments = Math.max(1, fragments.length)
    return { segment, track, fragments }
  }

  #defaultsOf({ track, init }: Track): Defaults {
    const known = this.#defaults.get(track)
    if (known) return known
    const { defaults } = readMovie(requireBox(readBoxes(init, ''), 'moov', ''))
    this.#defaults.set(track, defaults)
    return defaults
  }
}

/** The recording has lost a segment since it was asked for. */
export function segmentGone(): AppError {
  return new AppError('SEGMENT_GONE', 'A part of this recording is no longer kept.')
}

function otherTimescale({ name }: Rendition, before: number, after: number): AppError {
  const detail = `from ${before} to ${after} ticks a second`
  const message = `${name} changed ${detail} while it was recorded, which one MP4 can't hold: make clips of before and after.`
  return new AppError('DOWNLOAD_UNSUPPORTED', message)
}
