import { AppError } from '../lib/errors.ts'
import { type EncryptionWord, encryptionWords } from './deliveries.ts'
import type { SmoothFragmentTarget } from './smooth-fragments.ts'
import { parseThumbnail, type ThumbnailTarget } from './thumbnail-target.ts'
import type { TransportFormat } from './transport-answers.ts'

/** The `format=` values of the AMS grammar that are served. */
export type ManifestFormat = 'm3u8-cmaf' | TransportFormat | 'mpd-time-cmaf' | 'mpd-time-csf' | 'fmp4-v20'

/** What stands after `/{locatorId}/{manifestName}.ism/`. `track` is the name of a rendition, or `video` or `audio`. */
export type IsmTarget =
  | {
      readonly kind: 'manifest'
      readonly format: ManifestFormat
      readonly audioOnly: boolean
      /** How it is to be protected; absent: the URL leaves it open. */
      readonly encryption?: EncryptionWord | undefined
      /** Names of filters, as they stand there: `A;B`. */
      readonly filter?: string
    }
  | {
      readonly kind: 'playlist'
      readonly bitrate: number
      readonly track: string
      readonly keyFramesOnly: boolean
      /** How it is to be protected; absent: the URL leaves it open. */
      readonly encryption?: EncryptionWord | undefined
      readonly filter?: string
      /** As transport streams rather than as fragments. */
      readonly transport?: TransportFormat
    }
  | {
      readonly kind: 'fragment'
      readonly bitrate: number
      readonly track: string
      /** In the track's timescale; `init` for the initialisation segment. */
      readonly time: number | 'init'
      /** How it is to be protected; absent: the URL leaves it open. */
      readonly encryption?: EncryptionWord | undefined
      /** In a transport stream rather than as a fragment. */
      readonly transport?: TransportFormat
    }
  | SmoothFragmentTarget
  | ThumbnailTarget

const SERVED =
  'served here are m3u8-cmaf, m3u8-aapl and m3u8-aapl-v3 (HLS), mpd-time-cmaf and mpd-time-csf (DASH), and fmp4-v20 (Smooth Streaming)'

const CALL = /^([a-z]+)(?:\((.*)\))?$/i
const TRACK_AND_TIME = /^([^=]+)=\s*(i|\d{1,19})$/i

/** Reads the part of a URL that AMS defined: case-insensitive, spaces after commas tolerated. */
export function parseIsmTarget(parts: readonly string[]): IsmTarget {
  const calls = parts.map(parseCall)
  const [first, second] = calls
  if (first?.name === 'manifest' && calls.length === 1) return parseManifest(first.args)
  if (first?.name === 'thumbnail' && calls.length === 1)
    return parseThumbnail(parseOptions(first.args, ['time', 'width']))
  if (first?.name !== 'qualitylevels' || second === undefined || calls.length !== 2) throw unknown()
  const bitrate = parseBitrate(first.args)
  if (second.name === 'manifest') return parsePlaylist(bitrate, second.args)
  if (second.name === 'fragments') return parseFragment(bitrate, second.args)
  if (second.name === 'fragmentinfo') return parseSmoothFragment(bitrate, second.args, 'info')
  throw unknown()
}

function parseCall(part: string): { readonly name: string; readonly args: readonly string[] } {
  const match = CALL.exec(part)
  if (!match) throw unknown()
  const args = (match[2] ?? '').split(',').map((arg) => arg.trim())
  return { name: (match[1] ?? '').toLowerCase(), args: args.length === 1 && args[0] === '' ? [] : args }
}

function parseManifest(args: readonly string[]): IsmTarget {
  const options = parseOptions(args, ['format', 'audio-only', 'encryption', 'filter'])
  const format = parseFormat(options.get('format'))
  const filter = options.get('filter')
  const audioOnly = options.get('audio-only') ?? 'false'
  if (audioOnly !== 'true' && audioOnly !== 'false') throw invalid('audio-only is true or false')
  return {
    kind: 'manifest',
    format,
    audioOnly: audioOnly === 'true',
    ...encryptionOf(options),
    ...(filter && { filter }),
  }
}

function parsePlaylist(bitrate: number, [track = '', ...args]: readonly string[]): IsmTarget {
  if (track === '' || track.includes('=')) throw invalid('Manifest(…) begins with the name of a track')
  const options = parseOptions(args, ['format', 'type', 'encryption', 'filter'])
  const format = parseFormat(options.get('format'))
  const transport = transportOf(format)
  if (format !== 'm3u8-cmaf' && !transport) throw invalid('a playlist of one track is one of the m3u8 formats')
  const type = options.get('type')
  if (type !== undefined && type !== 'keyframes') throw invalid('type is keyframes')
  const filter = options.get('filter')
  return {
    kind: 'playlist',
    bitrate,
    track,
    keyFramesOnly: type === 'keyframes',
    ...encryptionOf(options),
    ...(filter && { filter }),
    ...transport,
  }
}

function parseFragment(bitrate: number, [trackAndTime = '', ...args]: readonly string[]): IsmTarget {
  const match = TRACK_AND_TIME.exec(trackAndTime)
  const time = match?.[2]?.toLowerCase()
  if (!match || time === undefined) throw invalid('Fragments(…) begins with track=time or track=i')
  const options = parseOptions(args, ['format', 'encryption'])
  const format = parseFormat(options.get('format'))
  if (format === 'fmp4-v20') {
    return parseSmoothFragment(bitrate, [trackAndTime, ...args], 'fragment')
  }
  if (time !== 'i' && !Number.isSafeInteger(Number(time))) throw invalid('the time is out of range')
  const named = { bitrate, track: (match[1] ?? '').trim(), time: time === 'i' ? ('init' as const) : Number(time) }
  return { kind: 'fragment', ...named, ...encryptionOf(options), ...transportOf(format) }
}

/** What Smooth Streaming asks for under a quality level; its times are past 2^53, and compared as doubles. */
function parseSmoothFragment(
  bitrate: number,
  [streamAndTime = '', ...args]: readonly string[],
  part: SmoothFragmentTarget['part'],
): SmoothFragmentTarget {
  const match = TRACK_AND_TIME.exec(streamAndTime)
  const time = match?.[2]
  if (!match || time === undefined || time.toLowerCase() === 'i') {
    throw invalid('a fragment of Smooth Streaming is named stream=time; it has no initialisation segment')
  }
  const options = parseOptions(args, ['format', 'encryption'])
  if (parseFormat(options.get('format')) !== 'fmp4-v20') throw invalid('FragmentInfo(…) is of fmp4-v20')
  const named = { bitrate, stream: (match[1] ?? '').trim(), time: Number(time), part }
  return { kind: 'smooth-fragment', ...named, ...encryptionOf(options) }
}

function parseBitrate([bitrate = '', ...rest]: readonly string[]): number {
  if (rest.length > 0 || !/^\d{1,15}$/.test(bitrate)) throw invalid('QualityLevels(…) takes one bitrate')
  return Number(bitrate)
}

function parseOptions(args: readonly string[], known: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>()
  for (const arg of args) {
    const equals = arg.indexOf('=')
    const name = arg.slice(0, Math.max(0, equals)).trim().toLowerCase()
    if (!known.includes(name)) throw invalid(`the options here are ${known.join(', ')}`)
    if (options.has(name)) throw invalid(`${name} is given twice`)
    const value = arg.slice(equals + 1).trim()
    // A filter's name keeps its case; all other values are words of the grammar.
    options.set(name, name === 'filter' ? value : value.toLowerCase())
  }
  return options
}

function transportOf(format: ManifestFormat): { readonly transport: TransportFormat } | undefined {
  return format === 'm3u8-aapl' || format === 'm3u8-aapl-v3' ? { transport: format } : undefined
}

function parseFormat(format: string | undefined): ManifestFormat {
  if (format === undefined) return 'fmp4-v20'
  if (format === 'm3u8-aapl' || format === 'm3u8-aapl-v3') return format
  if (format === 'mpd-time-cmaf' || format === 'mpd-time-csf') return format
  if (format === 'm3u8-cmaf' || format === 'fmp4-v20') return format
  throw invalid(`unknown format; ${SERVED}`)
}

function encryptionOf(options: ReadonlyMap<string, string>): { readonly encryption?: EncryptionWord } {
  const word = options.get('encryption')
  if (word === undefined) return {}
  if (!Object.hasOwn(encryptionWords, word)) {
    throw invalid(`encryption is one of ${Object.keys(encryptionWords).join(', ')}`)
  }
  return { encryption: word as EncryptionWord }
}

function invalid(rule: string): AppError {
  return new AppError('URL_INVALID', `The URL is malformed: ${rule}.`)
}

function unknown(): AppError {
  return new AppError('URL_UNKNOWN', 'The streaming endpoint has no such address.')
}
