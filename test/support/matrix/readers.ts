import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { parse as parseMpd } from 'mpd-parser'
import { mp4boxReading } from '../served.ts'
import { checkSegments } from '../ts-checker.ts'
import { type Frame, type FrameRequest, readFrames } from './frames.ts'
import type { MatrixSource } from './house.ts'
import type { Collected, CollectedTrack, MatrixOutput, OutputName } from './outputs.ts'
import { textFaults } from './texts.ts'

export type Cell = {
  readonly source: MatrixSource
  readonly name: OutputName
  readonly output: MatrixOutput
  readonly collected: Collected
}

/** Says what is wrong with what an output gives of a source; `undefined` where it has nothing to read there. */
export type MatrixReader = (cell: Cell) => Promise<readonly string[] | undefined>

/** A millisecond, and what rounding takes of it. */
const OFFSET_S = 0.001
const LEAST_SECONDS = 2
const PACKAGER = resolve('node_modules/shaka-packager/bin/packager-linux-x64')
/** It says so of every file with B-frames and no edit list, which is what live output is. */
const ADJUSTMENT = /composition offset|EditList|Adjusting timestamps by/

/** All readers; only that of packets was written here, from the standard alone. */
export const readers = {
  ffmpeg: byFfmpeg,
  'shaka-packager': byShakaPackager,
  mp4box: byMp4box,
  'hls-parser': byHlsParser,
  'm3u8-parser': byM3u8Parser,
  'mpd-parser': byMpdParser,
  'packet by packet': byPackets,
  'cue by cue': byCues,
} as const satisfies Record<string, MatrixReader>

export type ReaderName = keyof typeof readers

/** Where a track's frames stand against those of the source: as many, the same, in order, and later by as much as it says. */
type Compared = { readonly faults: readonly string[]; readonly shiftS: number | undefined }

/** A stream that ffmpeg is to read, and what it has to find. */
type Expected = {
  readonly what: string
  readonly request: FrameRequest
  readonly track: CollectedTrack
  readonly truths: ReadonlyMap<string, readonly Frame[]>
}

async function byFfmpeg({ source, output, collected }: Cell): Promise<readonly string[]> {
  const expected = collected.tracks.flatMap((track) => expectationsOf(track, source))
  if (expected.length === 0) return ['nothing is listed']
  const { streams, complaints } = await readFrames(expected.map(({ request }) => request))
  const faults = complaints === '' ? [] : [`ffmpeg says: ${complaints.slice(0, 500)}`]
  const shifts: { readonly what: string; readonly shiftS: number }[] = []
  for (const [at, { what, track, truths }] of expected.entries()) {
    const read = placed(streams[at] ?? [], track)
    const { name, frames } = truthOf(truths, track, read)
    const stream = `${what} ${name}`.trim()
    const compared = compare(read, frames, source, track)
    faults.push(...compared.faults.map((fault) => `${stream}: ${fault}`))
    if (compared.shiftS !== undefined) shifts.push({ what: stream, shiftS: compared.shiftS })
    const isRecoded = what === 'video' && frames[0]?.sum !== source.sent[0]?.sum && source.live
    if (isRecoded && !track.keyFramesOnly) {
      faults.push(...timesOf(read, source.sent).faults.map((fault) => `${stream}, as it was sent: ${fault}`))
    }
  }
  const least = Math.min(...shifts.map(({ shiftS }) => shiftS))
  for (const { what, shiftS } of shifts) {
    const lateMs = (shiftS - least) * 1_000
    if (shiftS - least > OFFSET_S) faults.push(`${what} is ${lateMs.toFixed(2)} ms late against the rest`)
  }
  const pictured = collected.tracks.filter(({ kind }) => kind !== 'audio').length
  const isWhole = output.family === 'progressive' || pictured === 0 || pictured === source.truth.video.size
  return isWhole ? faults : [...faults, `${pictured} renditions with pictures of ${source.truth.video.size}`]
}

function expectationsOf(track: CollectedTrack, { truth }: MatrixSource): Expected[] {
  const { kind, file, pieces, container, keyFramesOnly } = track
  const files = pieces ?? [file]
  const picture = {
    what: 'video',
    request: { files, kind: 'video' as const, isPieces: keyFramesOnly },
    track,
    truths: keyFramesOnly ? truth.keyFrames : truth.video,
  }
  const isAdts = container !== 'mp4'
  const sound = { what: 'audio', request: { files, kind: 'audio' as const, isAdts }, track, truths: truth.audio }
  return [...(kind === 'audio' || truth.video.size === 0 ? [] : [picture]), ...(kind === 'video' ? [] : [sound])]
}

/** What an output says that it is; one that doesn't say is what its first frame is. */
function truthOf(
  truths: ReadonlyMap<string, readonly Frame[]>,
  { kind, label }: CollectedTrack,
  read: readonly Frame[],
) {
  const all = [...truths].map(([name, frames]) => ({ name, frames }))
  const named = kind === 'both' && !/^\d+x\d+$/.test(label) ? undefined : all.find(({ name }) => name === label)
  const alike = all.find(({ frames }) => frames[0]?.sum === read[0]?.sum)
  return named ?? alike ?? all[0] ?? { name: 'unknown', frames: [] }
}

/** Frames at the time that stands beside them, where ffmpeg doesn't read it or reads it otherwise. */
function placed(frames: readonly Frame[], { startSeconds }: CollectedTrack): readonly Frame[] {
  if (startSeconds === undefined) return frames
  const first = frames.reduce((least, { time }) => Math.min(least, time), Number.POSITIVE_INFINITY)
  return frames.map(({ time, sum }) => ({ time: time - first + startSeconds, sum }))
}

function compare(
  frames: readonly Frame[],
  truth: readonly Frame[],
  { live }: MatrixSource,
  { keyFramesOnly, segments }: CollectedTrack,
): Compared {
  if (keyFramesOnly) {
    // What is live may withhold its newest; a file or a recording lists all.
    const lacks = !live && frames.length !== truth.length ? [`${frames.length} key frames of ${truth.length}`] : []
    return { faults: [...lacks, ...keyFrameFaults(frames, truth, segments.length)], shiftS: undefined }
  }
  const lasts = (truth[frames.length - 1]?.time ?? Number.NEGATIVE_INFINITY) - (truth[0]?.time ?? 0)
  // What is live may withhold its newest segments.
  const isEnough = live ? lasts >= LEAST_SECONDS - 0.1 : frames.length === truth.length
  const faults = isEnough ? [] : [`${frames.length} frames of ${truth.length}`]
  const other = frames.findIndex(({ sum }, at) => sum !== truth[at]?.sum)
  if (other >= 0) faults.push(`frame ${other} of ${frames.length} is not that of the source`)
  const timed = timesOf(frames, truth)
  return { faults: [...faults, ...timed.faults], shiftS: timed.shiftS }
}

/** What is listed are key frames of the source in their order, from the first on. */
function keyFrameFaults(frames: readonly Frame[], truth: readonly Frame[], listed: number): string[] {
  let next = 0
  const strange = frames.findIndex(({ sum }) => {
    next = truth.findIndex((frame, at) => at >= next && frame.sum === sum) + 1
    return next === 0
  })
  return [
    ...(frames.length === 0 || frames.length !== listed
      ? [`${frames.length} key frames of ${listed} that are listed`]
      : []),
    ...(frames[0]?.sum === truth[0]?.sum ? [] : ['the first key frame is missing']),
    ...(strange < 0 ? [] : [`key frame ${strange} is none of the source`]),
  ]
}

/** Every frame is as much later than that of the source as the first. */
function timesOf(frames: readonly Frame[], truth: readonly Frame[]): Compared {
  const differences = frames.slice(0, truth.length).map(({ time }, at) => time - (truth[at]?.time ?? 0))
  const shiftS = differences[0]
  const off = Math.max(...differences.map((difference) => Math.abs(difference - (shiftS ?? 0))))
  return { faults: off > OFFSET_S ? [`a frame is off by ${(off * 1_000).toFixed(2)} ms`] : [], shiftS }
}

async function byShakaPackager({ collected, source }: Cell): Promise<readonly string[] | undefined> {
  const readable = collected.tracks.filter(({ container, keyFramesOnly }) => container !== 'packed' && !keyFramesOnly)
  if (readable.length === 0) return undefined
  const faults = await Promise.all(readable.map((track) => shakaFaults(track, source.truth.video.size > 0)))
  return faults.flat()
}

function shakaFaults({ file, kind }: CollectedTrack, hasPicture: boolean): Promise<string[]> {
  const kinds = kind === 'both' ? [...(hasPicture ? ['video'] : []), 'audio'] : [kind]
  const streams = kinds.map((stream) => {
    return `in=${file},stream=${stream},output=${file}.${stream}.shaka.mp4`
  })
  return new Promise((resolveFaults) => {
    execFile(PACKAGER, [...streams, '--quiet'], (error, _stdout, stderr) => {
      const lines = stderr.split('\n').filter((line) => line !== '' && !ADJUSTMENT.test(line))
      resolveFaults([...(error ? [`${file} is refused: ${error.message.slice(0, 200)}`] : []), ...lines])
    })
  })
}

async function byMp4box({ collected }: Cell): Promise<readonly string[] | undefined> {
  const readable = collected.tracks.filter(({ container }) => container === 'mp4')
  if (readable.length === 0) return undefined
  return readable.flatMap(({ init, segments, file, keyFramesOnly }) => {
    // Key frames are pieces of fragments: their `trun` names more than is there.
    if (keyFramesOnly) return []
    try {
      const isMadeOfSegments = init !== undefined && segments.length > 0
      const whole = isMadeOfSegments ? { init, segments } : { init: readFileSync(file), segments: [] }
      return mp4boxReading({ initUrl: file, ...whole }).samples.length === 0 ? [`${file} has no samples`] : []
    } catch (error) {
      return [`${file}: ${error instanceof Error ? error.message : error}`]
    }
  })
}

async function byHlsParser({ collected }: Cell): Promise<readonly string[] | undefined> {
  const { manifest, tracks } = collected
  if (!manifest.text.startsWith('#EXTM3U')) return undefined
  return parsings([manifest.text, ...listsOf(tracks)], (text) => {
    const parsed = hlsParser.parse(text)
    return parsed.isMasterPlaylist ? parsed.variants.length : parsed.segments.length
  })
}

async function byM3u8Parser({ collected }: Cell): Promise<readonly string[] | undefined> {
  const { manifest, tracks } = collected
  if (!manifest.text.startsWith('#EXTM3U')) return undefined
  return parsings([manifest.text, ...listsOf(tracks)], (text) => {
    const parser = new Parser()
    parser.push(text)
    parser.end()
    return parser.manifest.playlists?.length ?? parser.manifest.segments.length
  })
}

const listsOf = (tracks: readonly CollectedTrack[]) =>
  tracks.flatMap(({ playlist }) => (playlist ? [playlist.text] : []))

/** Every text is read without an error, and as many entries are found as there are lines that name one. */
function parsings(texts: readonly string[], read: (text: string) => number): string[] {
  return texts.flatMap((text) => {
    const entries = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
    const keyFrames = text.match(/^#EXT-X-I-FRAME-STREAM-INF/gm)?.length ?? 0
    try {
      const found = read(text)
      const isAll = found === entries || found === entries + keyFrames
      return isAll ? [] : [`${found} entries of ${entries} in\n${text.slice(0, 400)}`]
    } catch (error) {
      return [`${error instanceof Error ? error.message : error} in\n${text.slice(0, 400)}`]
    }
  })
}

async function byMpdParser({ collected, output }: Cell): Promise<readonly string[] | undefined> {
  if (output.family !== 'dash') return undefined
  const { url, text } = collected.manifest
  const { playlists, mediaGroups } = parseMpd(text, { manifestUri: url })
  const listed = playlists.length + Object.keys(mediaGroups.AUDIO).length
  return listed === 0 ? ['nothing is listed'] : []
}

/** ffmpeg, mp4box, mpd-parser and fast-xml-parser, each where it reads texts. */
async function byCues({ source, name, collected }: Cell): Promise<readonly string[] | undefined> {
  return source.texts && textFaults(source.texts, name, collected.manifest)
}

async function byPackets({ collected }: Cell): Promise<readonly string[] | undefined> {
  const streams = collected.tracks.filter(({ container, keyFramesOnly }) => container === 'ts' && !keyFramesOnly)
  if (streams.length === 0) return undefined
  return streams.flatMap(({ segments, label }) => {
    const { violations, streams: found } = checkSegments(segments)
    return [
      ...violations.slice(0, 3).map((violation) => `${label} ${violation}`),
      ...(found.length === 0 ? ['no streams'] : []),
    ]
  })
}
