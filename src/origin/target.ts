import { AppError } from '../lib/errors.ts'
import type { NumberedSegment } from '../presentation/epoch-grid.ts'
import type { DownloadName } from './download-choice.ts'
import type { FileName } from './file-downloads.ts'
import { type IsmTarget, parseIsmTarget } from './ism-target.ts'
import { parseTextChild, type TextChild } from './text-target.ts'
import { parseThumbnailChild, THUMBNAIL_TRACK, type ThumbnailChild } from './thumbnail-target.ts'
import { parseTransportChild, type TransportChild } from './transport-target.ts'

/** What a URL names, before anything is looked up. Names and ids are decoded; their case is as it was sent. */
export type Target =
  | { readonly kind: 'time' }
  | { readonly kind: 'master' | 'mpd' | 'thumbnail-track'; readonly locatorId: string }
  /** A recording as one file. */
  | { readonly kind: 'download'; readonly locatorId: string; readonly file: DownloadName }
  /** An uploaded file that no recording is called by: of another kind than `.mp4`. */
  | { readonly kind: 'file'; readonly locatorId: string; readonly file: FileName }
  | { readonly kind: 'child'; readonly locatorId: string; readonly digest: string; readonly child: Child }
  | {
      readonly kind: 'ism'
      readonly locatorId: string
      readonly manifestName: string
      readonly target: IsmTarget
    }

/** What a presentation has under a locator. */
export type PublishedTarget = Exclude<Target, { kind: 'time' | 'file' }>

/** What stands after `/{locatorId}/c/{digest}/`. */
export type Child =
  /** `name` may end with `-iframes`: whether that is part of the rendition's name is known only to the presentation. */
  | { readonly kind: 'playlist'; readonly name: string }
  /** `periodMs`: the begin of the period of a key that rotates. */
  | { readonly kind: 'init'; readonly rendition: string; readonly track: number; readonly periodMs?: number }
  /** The key frame with which an encrypted segment begins. */
  | { readonly kind: 'key-frame'; readonly rendition: string; readonly startTicks: number }
  | { readonly kind: 'segment'; readonly rendition: string; readonly startTicks: number }
  | TransportChild
  | ThumbnailChild
  | TextChild
  /** A segment by its number on the epoch grid, within one stretch of timeline. */
  | ({ readonly kind: 'numbered'; readonly rendition: string } & NumberedSegment)
  /** A part of a segment, by its number in the track. */
  | { readonly kind: 'part'; readonly rendition: string; readonly track: number; readonly number: number }

const MAX_PATH_LENGTH = 2_048
/** With a query that players put their reports into. */
const MAX_URL_LENGTH = 8_192
const ISM = /^(.+)\.isml?$/i
const PLAYLIST = /^(.+)\.m3u8$/
const INIT = /^(0|[1-9]\d{0,9})(?:\.(0|[1-9]\d{0,14}))?\.init\.mp4$/
const KEY_FRAME = /^(0|[1-9]\d{0,15})\.key\.m4s$/
const MP4 = /^(.+)\.mp4$/i
const MOVIE = /^(.+)\.(mov|qt|m4v|m4a)$/i
const SEGMENT = /^(0|[1-9]\d{0,15})\.m4s$/
const NUMBERED = /^(0|[1-9]\d{0,9})\.d(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,15})\.m4s$/
const PART = /^(0|[1-9]\d{0,9})\.([1-9]\d{0,9})\.m4s$/

/**
 * Reads a request target by the URL grammar of the streaming endpoint. The query is ignored, but for that of an MP4. Throws `URL_INVALID` for
 * what is malformed, `URL_UNKNOWN` for what the grammar doesn't have.
 */
export function parseTarget(requestTarget: string): Target {
  if (requestTarget.length > MAX_URL_LENGTH) {
    throw new AppError('URL_INVALID', `The URL is longer than ${MAX_URL_LENGTH} characters.`)
  }
  const path = pathOf(requestTarget)
  if (path.length > MAX_PATH_LENGTH) {
    throw new AppError('URL_INVALID', `The URL has a path longer than ${MAX_PATH_LENGTH} characters.`)
  }
  const [root, first, ...rest] = path.split('/').map(decode)
  if (root !== '' || first === undefined || rest.length > 4) throw unknown()
  if (rest.length === 0) {
    if (first === 'time') return { kind: 'time' }
    throw unknown()
  }
  if (first === '') throw unknown()
  const mp4 = rest.length === 1 ? MP4.exec(rest[0] ?? '')?.[1] : undefined
  if (mp4 !== undefined) return { kind: 'download', locatorId: first, file: parseDownload(mp4, requestTarget) }
  return parseUnderLocator(first, rest)
}

function parseUnderLocator(locatorId: string, rest: readonly string[]): Target {
  const [name = '', ...more] = rest
  if (more.length === 0) {
    if (name === 'index.m3u8') return { kind: 'master', locatorId }
    if (name === 'index.mpd') return { kind: 'mpd', locatorId }
    if (name === THUMBNAIL_TRACK) return { kind: 'thumbnail-track', locatorId }
    const [, movie, extension] = MOVIE.exec(name) ?? []
    if (movie !== undefined && extension !== undefined)
      return { kind: 'file', locatorId, file: { name: movie, extension } }
    throw unknown()
  }
  const manifestName = ISM.exec(name)?.[1]
  if (manifestName !== undefined) return { kind: 'ism', locatorId, manifestName, target: parseIsmTarget(more) }
  const [digest = '', ...child] = more
  if (name === 'c') return { kind: 'child', locatorId, digest, child: parseChild(child) }
  throw unknown()
}

function parseChild([first, second, ...rest]: readonly string[]): Child {
  if (first === undefined || rest.length > 0) throw unknown()
  const thumbnail = parseThumbnailChild(first, second)
  if (thumbnail) return thumbnail
  const text = parseTextChild(first, second)
  if (text) return text
  if (second === undefined) {
    const name = PLAYLIST.exec(first)?.[1]
    if (name !== undefined) return { kind: 'playlist', name }
    throw unknown()
  }
  const transport = parseTransportChild(first, second)
  if (transport) return transport
  const [, track, periodMs] = INIT.exec(second) ?? []
  if (track !== undefined) {
    const period = periodMs === undefined ? {} : { periodMs: Number(periodMs) }
    return { kind: 'init', rendition: first, track: Number(track), ...period }
  }
  const keyFrame = KEY_FRAME.exec(second)?.[1]
  if (keyFrame !== undefined && Number.isSafeInteger(Number(keyFrame))) {
    return { kind: 'key-frame', rendition: first, startTicks: Number(keyFrame) }
  }
  const startTicks = SEGMENT.exec(second)?.[1]
  if (startTicks !== undefined && Number.isSafeInteger(Number(startTicks))) {
    return { kind: 'segment', rendition: first, startTicks: Number(startTicks) }
  }
  const numbered = NUMBERED.exec(second)?.slice(1).map(Number)
  if (numbered?.every(Number.isSafeInteger)) {
    const [track = 0, discontinuitySequence = 0, number = 0] = numbered
    return { kind: 'numbered', rendition: first, track, discontinuitySequence, number }
  }
  const [, partTrack, number] = PART.exec(second) ?? []
  if (partTrack !== undefined)
    return { kind: 'part', rendition: first, track: Number(partTrack), number: Number(number) }
  throw unknown()
}

/** `?video=video-2&audio=audio-1`; what else the query has is ignored. */
function parseDownload(name: string, requestTarget: string): DownloadName {
  const query = /\?([^#]*)/.exec(requestTarget)?.[1]
  if (query === undefined) return { name }
  const given = new URLSearchParams(query)
  const one = (key: 'video' | 'audio') => {
    const values = given.getAll(key)
    if (values.length > 1) throw new AppError('URL_INVALID', `The URL names ${key} twice.`)
    return values[0] === undefined ? {} : { [key]: values[0] }
  }
  return { name, ...one('video'), ...one('audio') }
}

/** Whether its answer may tell of texts, or be of one. */
export function namesTexts(target: PublishedTarget): boolean {
  if (target.kind === 'child') return target.child.kind === 'text'
  if (target.kind === 'ism') return target.target.kind === 'manifest'
  return target.kind === 'master' || target.kind === 'mpd'
}

/** The path of origin form and, as proxies send it, of absolute form (RFC 9112 §3.2). */
function pathOf(requestTarget: string): string {
  const path = requestTarget.replace(/^https?:\/\/[^/?#]*/i, '')
  const end = path.search(/[?#]/)
  return end < 0 ? path : path.slice(0, end)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw new AppError('URL_INVALID', 'The URL has a percent-encoding that is not UTF-8.', { cause })
  }
}

function unknown(): AppError {
  return new AppError('URL_UNKNOWN', 'The streaming endpoint has no such address.')
}
