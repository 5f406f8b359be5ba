import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { createFile, MP4BoxBuffer } from 'mp4box'
import { parse as parseMpd } from 'mpd-parser'
import { vi } from 'vitest'
import { concatBytes } from '../../src/lib/bytes.ts'
import { run } from './ffmpeg.ts'
import {
  fetchBytes,
  fetchMaster,
  type ListedSegment,
  type MediaPlaylist,
  parseMediaPlaylist,
  until,
} from './playlist.ts'

const PACKAGER = resolve('node_modules/shaka-packager/bin/packager-linux-x64')

/** A rendition as a player finds it. */
export type ServedRendition = {
  readonly kind: 'video' | 'audio'
  readonly url: string
  readonly text: string
  readonly playlist: MediaPlaylist
  /** Those with media. */
  readonly segments: readonly ListedSegment[]
}

export type ServedPresentation = {
  readonly masterText: string
  readonly attributes: readonly string[]
  readonly renditions: readonly ServedRendition[]
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return text
}

/** Reads the master and all its media playlists, and has two independent parsers read them as well. */
export async function readServed(hlsUrl: string): Promise<ServedPresentation> {
  const masterText = await fetchText(hlsUrl)
  hlsParser.parse(masterText)
  const master = await fetchMaster(hlsUrl)
  const isAudioOnly = master.variants.every(({ attributes }) => !attributes.includes('RESOLUTION'))
  const urls = new Map<string, 'video' | 'audio'>()
  for (const { url } of master.variants) urls.set(url, isAudioOnly ? 'audio' : 'video')
  for (const url of master.audio) urls.set(url, 'audio')
  const renditions = await Promise.all(
    [...urls].map(async ([url, kind]) => {
      const text = await fetchText(url)
      const playlist = parseMediaPlaylist(text, url)
      agreeWithParsers(text, playlist)
      return { kind, url, text, playlist, segments: playlist.segments.filter(({ gap }) => !gap) }
    }),
  )
  return { masterText, attributes: master.variants.map(({ attributes }) => attributes), renditions }
}

/** hls-parser and m3u8-parser see the segments that our own reading sees. */
function agreeWithParsers(text: string, playlist: MediaPlaylist): void {
  const strict = hlsParser.parse(text)
  if (strict.isMasterPlaylist) throw new Error('a master playlist where a media playlist should be')
  const parser = new Parser()
  parser.push(text)
  parser.end()
  const { segments = [], mediaSequence } = parser.manifest
  const seen = [strict.segments.length, segments.length, mediaSequence]
  const wanted = [playlist.segments.length, playlist.segments.length, playlist.mediaSequence]
  if (String(seen) !== String(wanted)) throw new Error(`parsers disagree: ${seen} instead of ${wanted}\n${text}`)
}

/** Seconds of media that a rendition lists. */
export function mediaSeconds({ segments }: Pick<ServedRendition, 'segments'>): number {
  return segments.reduce((sum, { duration }) => sum + duration, 0)
}

/** Waits until every rendition of these kinds lists so many seconds of media, give or take 0.1 s. */
export function servedSeconds(
  hlsUrl: string,
  wanted: { readonly video?: number; readonly audio?: number },
): Promise<ServedPresentation> {
  return until(
    `${JSON.stringify(wanted)} seconds of media`,
    30_000,
    () => readServed(hlsUrl),
    ({ renditions }) =>
      Object.entries(wanted).every(([kind, seconds]) => {
        const list = renditions.filter((rendition) => rendition.kind === kind)
        return list.length > 0 && list.every((rendition) => mediaSeconds(rendition) > seconds - 0.1)
      }),
  )
}

/** A run of segments under one init segment, as files that any tool reads. */
export type Stretch = { readonly initUrl: string; readonly init: Uint8Array; readonly segments: readonly Uint8Array[] }

/** Downloads a rendition whole, one stretch for each EXT-X-MAP and discontinuity. */
export async function download({ segments }: Pick<ServedRendition, 'segments'>): Promise<Stretch[]> {
  const groups = Map.groupBy(segments, (segment) => `${segment.discontinuitySequence} ${segment.initUrl}`)
  return Promise.all(
    [...groups.values()].map(async (group) => {
      const initUrl = group[0]?.initUrl ?? ''
      const init = await fetchBytes(initUrl)
      return { initUrl, init, segments: await Promise.all(group.map(({ url }) => fetchBytes(url))) }
    }),
  )
}

export function wholeFile({ init, segments }: Stretch): Uint8Array {
  return concatBytes([init, ...segments])
}

export type Packet = {
  readonly ptsSeconds: number
  readonly dtsSeconds: number
  readonly key: boolean
  readonly hash: string
}

/** What ffprobe finds in a file or at a URL, and what it complains of; `frames` were decoded. */
export type Probed = {
  readonly codec: string
  readonly size: string
  readonly frames: number
  readonly packets: readonly Packet[]
  readonly complaints: string
}

/** Has ffprobe read and decode a file. */
export async function probe(file: string): Promise<Probed> {
  const { stdout, stderr } = await run('ffprobe', [
    ...[
      '-v',
      'warning',
      '-of',
      'json',
      '-count_frames',
      '-show_streams',
      '-show_packets',
      '-show_data_hash',
      'MD5',
      file,
    ],
  ])
  const { streams = [], packets = [] } = JSON.parse(stdout) as Record<string, Record<string, string>[]>
  const [stream = {}] = streams
  return {
    codec: stream['codec_name'] ?? '',
    size: `${stream['width']}x${stream['height']}`,
    frames: Number(stream['nb_read_frames']),
    complaints: stderr,
    packets: packets.map((packet) => ({
      ptsSeconds: Number(packet['pts_time']),
      dtsSeconds: Number(packet['dts_time']),
      key: packet['flags']?.startsWith('K') ?? false,
      hash: packet['data_hash']?.replace('MD5:', '') ?? '',
    })),
  }
}

/** Has mp4box.js read init and segments; gives the codec and each sample's times in seconds, or throws what it complains of. */
export function mp4boxReading({ init, segments }: Stretch): {
  readonly codec: string
  readonly samples: readonly { readonly ptsSeconds: number; readonly dtsSeconds: number }[]
} {
  const errors: string[] = []
  const log = vi.spyOn(console, 'error').mockImplementation((...words: unknown[]) => {
    // mp4box.js 2.4 counts the metadata blocks of any `dfLa` twice.
    if (!words.join(' ').includes("Parsing of box 'dfLa' read")) errors.push(words.join(' '))
  })
  const file = createFile()
  file.onError = (module: string, message: string) => errors.push(`${module}: ${message}`)
  let at = 0
  for (const bytes of [init, ...segments]) {
    const copy = new Uint8Array(bytes)
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(copy.buffer, at))
    at += copy.byteLength
  }
  file.flush()
  log.mockRestore()
  if (errors.length > 0) throw new Error(errors.join('; '))
  const track = file.getInfo().tracks[0]
  const samples = file.getTrackSamplesInfo(track?.id ?? 0).map(({ cts, dts, timescale }) => {
    return { ptsSeconds: cts / timescale, dtsSeconds: dts / timescale }
  })
  return { codec: track?.codec ?? '', samples }
}

/** shaka-packager says so of every file with B-frames and no edit list, which is what live output is. */
const ownAdjustment = /composition offset|EditList|Adjusting timestamps by/

/** Has shaka-packager read a file; gives what it complains of. */
export function shakaComplaints(file: string, kind: 'video' | 'audio'): string {
  const result = spawnSync(PACKAGER, [`in=${file},stream=${kind},output=${file}.shaka.mp4`, '--quiet'], {
    encoding: 'utf8',
  })
  const lines = result.stderr.split('\n').filter((line) => line !== '' && !ownAdjustment.test(line))
  return result.status === 0 ? lines.join('\n') : `exit code ${result.status}: ${result.stderr}`
}

/** Writes a stretch where the tools that want a file find it. */
export function writeStretch(file: string, stretch: Stretch): string {
  writeFileSync(file, wholeFile(stretch))
  return file
}

export type ParsedMpd = ReturnType<typeof parseMpd>

/** The MPD's text, and what mpd-parser makes of it. */
export async function readMpd(dashUrl: string): Promise<{ readonly text: string; readonly manifest: ParsedMpd }> {
  const text = await fetchText(dashUrl)
  return { text, manifest: parseMpd(text, { manifestUri: dashUrl }) }
}

/** What ffmpeg reads at the manifest of a presentation that has ended, stream by stream, and what it complains of. */
export async function ffmpegReads(
  url: string,
): Promise<{ readonly packets: readonly number[]; readonly complaints: string }> {
  const copy = ['-map', '0', '-c', 'copy', '-f', 'framemd5', '-']
  const { stdout, stderr } = await run('ffmpeg', ['-v', 'warning', '-nostdin', '-i', url, ...copy])
  const counts: number[] = []
  for (const line of stdout.split('\n')) {
    if (!/^\d/.test(line)) continue
    const stream = Number(line.split(',')[0])
    counts[stream] = (counts[stream] ?? 0) + 1
  }
  return { packets: counts, complaints: stderr }
}
