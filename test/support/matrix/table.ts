import type { SourceName } from './house.ts'
import { type OutputName, outputs } from './outputs.ts'
import type { PlayerName } from './players.ts'
import type { ReaderName } from './readers.ts'

export const sourceNames: readonly SourceName[] = [
  'live pass-through',
  'live ladder',
  'finished recording',
  'MP4 set',
  '10-bit HEVC',
  'audio-only',
  'two languages + text',
]

export const outputNames = Object.keys(outputs) as OutputName[]

/** Formats that a source can't have, and why. */
const MISSING: readonly { readonly source: SourceName | 'live'; readonly output: OutputName; readonly why: string }[] =
  [
    { source: 'live', output: 'progressive', why: 'a file has an end: it is there when the program has ended' },
    { source: 'audio-only', output: 'HLS TS v4', why: 'sound by itself is packed audio' },
    { source: 'audio-only', output: 'I-frames CMAF', why: 'there is no picture' },
    { source: 'audio-only', output: 'I-frames TS', why: 'there is no picture' },
  ]

/** Why a source has no such output; `undefined` where it has. */
export function missing(source: SourceName, output: OutputName): string | undefined {
  const applies = (name: string) => name === source || (name === 'live' && source.startsWith('live'))
  return MISSING.find((entry) => entry.output === output && applies(entry.source))?.why
}

/** What a reader can't read, and why. */
const UNREADABLE: readonly {
  readonly reader: ReaderName
  readonly source?: SourceName
  readonly output: OutputName
  readonly why: string
}[] = [
  {
    reader: 'shaka-packager',
    output: 'Smooth',
    why: 'it reads MP4 and transport streams; a fragment of Smooth Streaming has no header and no tfdt',
  },
]

export function unreadable(reader: ReaderName, source: SourceName, output: OutputName): string | undefined {
  return UNREADABLE.find((entry) => {
    return entry.reader === reader && entry.output === output && (entry.source ?? source) === source
  })?.why
}

/** What plays which output. */
export const PLAYS: Readonly<Partial<Record<OutputName, readonly PlayerName[]>>> = {
  'HLS CMAF': ['hls.js', 'shaka-player'],
  'HLS TS v4': ['hls.js', 'shaka-player'],
  'HLS TS v3': ['hls.js', 'shaka-player'],
  'DASH cmaf': ['dash.js', 'shaka-player'],
  'DASH csf': ['dash.js', 'shaka-player'],
  // shaka-player 5 reads no Smooth Streaming any more.
  Smooth: ['dash.js'],
  progressive: ['video element'],
}

/** Why no player is asked to play a source; `undefined` where they are. */
export function unplayable(source: SourceName): string | undefined {
  return source === '10-bit HEVC' ? 'Chromium of Debian decodes no HEVC' : undefined
}
