import type { Scheme } from '../../../src/origin/deliveries.ts'
import type { ProtectedSource } from './house.ts'
import {
  type Reading,
  type ReadOptions,
  readByPackager,
  readDashEnvelope,
  readFragments,
  readHls,
  readSmooth,
} from './readings.ts'

type Read = (source: ProtectedSource, url: string, options: ReadOptions, isClear: boolean) => Promise<Reading>
/** A format, a protection, and who reads it. */
export type Cell = {
  readonly name: string
  readonly format: string
  readonly scheme: Scheme
  readonly read: Read
  /** Why there is no such thing, of these codecs. */
  readonly lacks?: (source: ProtectedSource) => string | undefined
  /** ffmpeg 5.1 leaves the last samples of a SAMPLE-AES playlist encrypted. */
  readonly cutsEnd?: boolean
}

const byHls: Read = (_source, url, options) => readHls(url, options)
const bySmooth: Read = (_source, url, options) => readSmooth(url, options)
const byDashEnvelope: Read = (_source, url, options) => readDashEnvelope(url, options)
const byFragments =
  (form: 'HLS CMAF' | 'DASH cmaf' | 'DASH csf'): Read =>
  (_source, url, options) =>
    readFragments(form, url, options)
const byPackager =
  (form: 'HLS CMAF' | 'DASH cmaf', scheme: 'cenc' | 'cbcs'): Read =>
  ({ keys }, url, { key, ...options }, isClear) =>
    isClear || !key
      ? readFragments(form, url, options)
      : readByPackager(form, url, { ...options, key, kid: keys[scheme].kid })

const isAv1 = ({ pair }: ProtectedSource) => pair.startsWith('AV1')
const notInTransport = (source: ProtectedSource) => (isAv1(source) ? 'transport streams have no AV1' : undefined)
const notInSampleAes = (source: ProtectedSource) =>
  source.pair.startsWith('HEVC') ? 'SAMPLE-AES in transport streams has no HEVC' : notInTransport(source)
const notInSmooth = (source: ProtectedSource) => (isAv1(source) ? 'Smooth Streaming has no AV1' : undefined)

/** All pairs of a format and a protection that there are. */
export const cells: readonly Cell[] = [
  { name: 'TS v4, AES-128', format: 'm3u8-aapl', scheme: 'envelope', read: byHls, lacks: notInTransport },
  { name: 'TS v3, AES-128', format: 'm3u8-aapl-v3', scheme: 'envelope', read: byHls, lacks: notInTransport },
  { name: 'TS v4, SAMPLE-AES', format: 'm3u8-aapl', scheme: 'cbcs', read: byHls, lacks: notInSampleAes, cutsEnd: true },
  {
    name: 'TS v3, SAMPLE-AES',
    format: 'm3u8-aapl-v3',
    scheme: 'cbcs',
    read: byHls,
    lacks: notInSampleAes,
    cutsEnd: true,
  },
  { name: 'HLS CMAF, AES-128', format: 'm3u8-cmaf', scheme: 'envelope', read: byHls },
  ...(['cenc', 'cbcs'] as const).flatMap((scheme): Cell[] => [
    { name: `HLS CMAF, ${scheme}`, format: 'm3u8-cmaf', scheme, read: byFragments('HLS CMAF') },
    { name: `HLS CMAF, ${scheme}, shaka-packager`, format: 'm3u8-cmaf', scheme, read: byPackager('HLS CMAF', scheme) },
    { name: `DASH, ${scheme}`, format: 'mpd-time-cmaf', scheme, read: byFragments('DASH cmaf') },
    { name: `DASH csf, ${scheme}`, format: 'mpd-time-csf', scheme, read: byFragments('DASH csf') },
    { name: `DASH, ${scheme}, shaka-packager`, format: 'mpd-time-cmaf', scheme, read: byPackager('DASH cmaf', scheme) },
  ]),
  { name: 'DASH, envelope', format: 'mpd-time-csf', scheme: 'envelope', read: byDashEnvelope },
  { name: 'Smooth, envelope', format: 'fmp4-v20', scheme: 'envelope', read: bySmooth, lacks: notInSmooth },
  { name: 'Smooth, PIFF', format: 'fmp4-v20', scheme: 'cenc', read: bySmooth, lacks: notInSmooth },
]

/** Where a source has a format, in a protection or in the clear. */
export function manifestOf(
  { bases, manifestName }: ProtectedSource,
  as: keyof ProtectedSource['bases'],
  format: string,
): string {
  return `${bases[as]}/${manifestName}.ism/manifest(format=${format})`
}

/** What is wrong with a cell of the matrix: nothing where it gives the very frames of the clear path, and with another key does not. */
export async function faultsOf(
  source: ProtectedSource,
  cell: Cell,
  folder: string,
  seconds: number,
): Promise<string[]> {
  const name = `${source.pair}, ${source.state} × ${cell.name}`
  const { format, scheme, cutsEnd } = cell
  const cut = { folder, seconds: cutsEnd ? seconds - 0.6 : undefined }
  const lacking = cell.lacks?.(source)
  const url = manifestOf(source, scheme, format)
  try {
    if (lacking !== undefined) return (await hasPictures(url)) ? [`${name}: it has pictures, but ${lacking}`] : []
    const needsKey = cell.read !== byHls && scheme !== 'envelope'
    const key = source.keys[scheme].value
    const [clear, open] = await Promise.all([
      cell.read(source, manifestOf(source, 'clear', format), cut, true),
      cell.read(source, url, needsKey ? { ...cut, key } : cut, false),
    ])
    const faults: string[] = []
    const count = [...clear.values()].reduce((sum, frames) => sum + frames.length, 0)
    // Live, Smooth Streaming holds two segments back.
    if (count < 50 * (seconds - 2)) faults.push(`${name}: ${count} frames in the clear`)
    if (clear.size !== open.size) faults.push(`${name}: ${open.size} tracks, not ${clear.size}`)
    for (const [label, whole] of clear) {
      const frames = cutsEnd ? whole.slice(0, -3) : whole
      const given = open.get(label) ?? []
      // Where reading is cut, the last frame is cut too.
      const theirs = cutsEnd && Math.abs(given.length - whole.length) < 3 ? given.slice(0, frames.length) : given
      if (frames.join() !== theirs.join())
        faults.push(`${name}: ${label} has other frames at ${differing(frames, theirs)} of ${frames.length}`)
    }
    const wrong = await readWrong(cell, source, url, { ...cut, key: Buffer.from(key).reverse() })
    for (const [label, frames] of clear) {
      if (frames.join() === (wrong?.get(label) ?? []).join()) faults.push(`${name}: ${label} is read with another key`)
    }
    return faults
  } catch (error) {
    return [`${name}: ${error instanceof Error ? error.message : error}`]
  }
}

async function hasPictures(url: string): Promise<boolean> {
  const response = await fetch(url)
  return response.ok && /RESOLUTION=|Type="video"/.test(await response.text())
}

/** With a wrong key a reader may give up, which is as good as giving something else. */
async function readWrong(
  cell: Cell,
  source: ProtectedSource,
  url: string,
  options: ReadOptions,
): Promise<Reading | undefined> {
  try {
    return await cell.read(source, url, options, false)
  } catch {
    return undefined
  }
}

function differing(ours: readonly string[], theirs: readonly string[]): string {
  const places = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, at) => at)
  return places
    .filter((at) => ours[at] !== theirs[at])
    .join(' ')
    .slice(0, 40)
}
