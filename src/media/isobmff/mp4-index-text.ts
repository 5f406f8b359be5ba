import { AppError, FormatError } from '../../lib/errors.ts'
import { type Box, childrenOf, findBox, openFullBox, readBoxes } from './boxes.ts'
import { type EditedTime, readEditList } from './mp4-index-edits.ts'
import { countSamples, readSampleTables, type SampleTables } from './mp4-index-tables.ts'

/** What a text track of a file has that can be read. */
export type TextTrackMedia = {
  readonly codec: 'wvtt' | 'stpp' | 'tx3g'
  readonly timescale: number
  readonly edited: EditedTime
  /** What a `wvtt` entry has before its cues. */
  readonly header: string
  /** All of it is to be shown to everybody (3GPP Timed Text as Apple has it). */
  readonly isForced: boolean
  /** Absent where the movie box lists no samples. */
  readonly tables?: SampleTables
}

type TextBoxes = {
  /** Those in the `trak`. */
  readonly boxes: readonly Box[]
  readonly stbl: Box
  readonly stsd: Box
  readonly handler: string
  readonly movieTimescale: number
  readonly timescale: number
}

const HANDLERS: ReadonlySet<string> = new Set(['text', 'sbtl', 'subt'])
const MAX_HEADER_BYTES = 65_536
const ALL_FORCED = 0x80000000

/**
 * Reads what a text track says of its samples: WebVTT or TTML in boxes (ISO/IEC 14496-30), or 3GPP Timed Text. `undefined` for any other, and for what is
 * broken: a file plays without its texts.
 */
export function readTextMedia(track: TextBoxes): TextTrackMedia | undefined {
  if (!HANDLERS.has(track.handler) || track.timescale === 0) return undefined
  try {
    return readMedia(track)
  } catch (error) {
    if (error instanceof FormatError) return undefined
    if (error instanceof AppError && error.code === 'MEDIA_UNSUPPORTED') return undefined
    throw error
  }
}

function readMedia({ boxes, stbl, stsd, movieTimescale, timescale }: TextBoxes): TextTrackMedia | undefined {
  const { reader } = openFullBox(stsd)
  reader.skip(4)
  const [entry] = readBoxes(reader.rest(), stsd.path)
  const codec = (['wvtt', 'stpp', 'tx3g'] as const).find((known) => known === entry?.type)
  if (!entry || !codec) return undefined
  const tableBoxes = childrenOf(stbl)
  const tables = countSamples(tableBoxes, stbl.path) > 0 ? readSampleTables(tableBoxes, stbl.path) : undefined
  const body = entry.body.subarray(8)
  const configuration = codec === 'wvtt' ? findBox(readBoxes(body, entry.path), 'vttC') : undefined
  const header = configuration ? new TextDecoder().decode(configuration.body.subarray(0, MAX_HEADER_BYTES)) : ''
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const isForced = codec === 'tx3g' && body.byteLength >= 4 && (view.getUint32(0) & ALL_FORCED) !== 0
  const edited = readEditList(boxes, movieTimescale, timescale)
  return { codec, timescale, edited, header, isForced, ...(tables && { tables }) }
}
