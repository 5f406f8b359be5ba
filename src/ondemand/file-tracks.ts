import type { Hash } from 'node:crypto'
import { breathe } from '../lib/breathing.ts'
import { AppError, FormatError } from '../lib/errors.ts'
import { type Box, type BoxHeader, MAX_BOX_HEADER_BYTES, readBoxes, readBoxHeader } from '../media/isobmff/boxes.ts'
import type { SampleDefaults } from '../media/isobmff/movie.ts'
import { readMovieFragment } from '../media/isobmff/movie-fragment.ts'
import { FragmentTableBuilder } from '../media/isobmff/mp4-index-fragments.ts'
import { type FileMovie, readFileMovie } from '../media/isobmff/mp4-index-movie.ts'
import {
  MFRO_BYTES,
  randomAccessBytes,
  randomAccessOffsets,
  subsegmentOffsets,
} from '../media/isobmff/mp4-index-offsets.ts'
import { isMediaTrack, type MediaTrack, type OtherTrack } from '../media/isobmff/mp4-index-track.ts'
import { TextTables, type TextTrack } from './file-texts.ts'
import { HeaderWindow } from './header-window.ts'
import type { SourceFile } from './source-file.ts'
import type { TrackSamples } from './source-track.ts'

/** What a file has to stream, and what else is in it. */
export type FileTracks = {
  readonly media: readonly { readonly track: MediaTrack; readonly samples: TrackSamples }[]
  readonly others: readonly OtherTrack[]
  readonly texts: readonly TextTrack[]
  /** Memory that the tables hold on to. */
  readonly memoryBytes: number
}

/** A box at the top of the file; `size` is its own, or reaches to the file's end. */
type TopBox = BoxHeader & { readonly start: number }
type Builders = ReadonlyMap<number, FragmentTableBuilder>

const MAX_MOVIE_BYTES = 64 * 1024 * 1024
const MAX_FRAGMENT_HEADER_BYTES = 8 * 1024 * 1024
const DIGEST_BYTES = 2 * 1024 * 1024
const MAX_FRAGMENTS = 1_048_576
const MAX_OTHER_BOXES = 65_536
/** In a smaller file fragments are found as fast one after another. */
const WORTH_AN_INDEX_BYTES = 4 * 1024 * 1024

/**
 * Finds the `moov` of a file, before or after the media, and of a fragmented file every `moof`; the media itself isn't read. `digest` is
 * fed with all that was found. A fragmented file that breaks off is taken up to its last whole fragment.
 *
 * @throws FormatError where it is broken; AppError `MEDIA_UNSUPPORTED` where nothing in it can be streamed
 */
export async function readFileTracks(file: SourceFile, digest: Hash, signal: AbortSignal): Promise<FileTracks> {
  const scan = new FileScan(file, digest, signal)
  let at = 0
  while (at < file.sizeBytes) {
    const next = await scan.take(at)
    if (next === undefined) break
    at = next
  }
  return scan.finish()
}

class FileScan {
  readonly #file: SourceFile
  readonly #digest: Hash
  readonly #window: HeaderWindow
  #movie: FileMovie | undefined
  #movieBytes = 0
  #builders: Builders = new Map()
  #texts = new TextTables([])
  #fragments = 0
  #otherBoxes = 0
  #isExpected = false

  constructor(file: SourceFile, digest: Hash, signal: AbortSignal) {
    this.#file = file
    this.#digest = digest
    this.#window = new HeaderWindow(file, signal)
  }

  /** Reads the box at `at`; gives where the next one begins, or `undefined` where a fragment breaks off. */
  async take(at: number): Promise<number | undefined> {
    const file = this.#file
    const box = await readTopBox(file, this.#window, at)
    const isCut = box.start + box.size > file.sizeBytes
    if (isCut && this.#fragments > 0) return undefined
    if (isCut) throw new FormatError(box.type, at, `box of ${box.size} bytes, the file has ${file.sizeBytes}`)
    if (box.type === 'moov' && this.#movie === undefined) await this.#takeMovie(box)
    else if (box.type === 'sidx' && this.#fragments === 0) await this.#takeIndex(box)
    else if (box.type === 'moof' && this.#movie?.fragmentDefaults) {
      if (!(await this.#takeFragment(box, this.#movie.fragmentDefaults))) return undefined
    } else if (++this.#otherBoxes > MAX_OTHER_BOXES + 2 * this.#fragments) {
      throw new FormatError(box.type, at, `more than ${MAX_OTHER_BOXES} boxes`)
    }
    return box.start + box.size
  }

  finish(): FileTracks {
    if (this.#movie === undefined) throw noMovie(this.#file)
    const { texts, memoryBytes } = this.#texts.finish(this.#file)
    return { ...collect(this.#movie, this.#builders, this.#movieBytes + memoryBytes), texts }
  }

  async #takeMovie(box: TopBox): Promise<void> {
    const moov = await readBox(this.#window, box, MAX_MOVIE_BYTES)
    await digestAll(this.#digest, moov.body, this.#window.signal)
    this.#movie = readFileMovie(moov)
    this.#movieBytes = moov.size
    this.#builders = buildersOf(this.#movie)
    this.#texts = new TextTables(this.#movie.tracks)
  }

  /** An index says where fragments will be; what is read is what stands there. */
  async #takeIndex(box: TopBox): Promise<void> {
    this.#isExpected = true
    const sidx = await readBox(this.#window, box, MAX_FRAGMENT_HEADER_BYTES)
    this.#window.expect(hinted(() => subsegmentOffsets(sidx)))
  }

  /** Gives whether the fragment is all there. */
  async #takeFragment(box: TopBox, defaults: ReadonlyMap<number, SampleDefaults>): Promise<boolean> {
    if (++this.#fragments > MAX_FRAGMENTS)
      throw new FormatError('moof', box.start, `more than ${MAX_FRAGMENTS} fragments`)
    if (!this.#isExpected) await this.#expectFragments()
    const moof = await readBox(this.#window, box, MAX_FRAGMENT_HEADER_BYTES)
    if (!(await isWhole(this.#file, this.#window, box))) return false
    this.#digest.update(moof.body)
    addFragment(moof, defaults, this.#builders, this.#texts)
    return true
  }

  /** The index at the end of a file, where that is worth the way. */
  async #expectFragments(): Promise<void> {
    this.#isExpected = true
    const { sizeBytes } = this.#file
    if (sizeBytes < WORTH_AN_INDEX_BYTES) return
    const window = new HeaderWindow(this.#file, this.#window.signal)
    const bytes = randomAccessBytes(await window.read(sizeBytes - MFRO_BYTES, MFRO_BYTES, 'mfro'))
    if (bytes < MFRO_BYTES || bytes > Math.min(sizeBytes, MAX_FRAGMENT_HEADER_BYTES)) return
    const start = sizeBytes - bytes
    const whole = await window.read(start, bytes, 'mfra')
    this.#window.expect(hinted(() => readBoxes(whole, '').flatMap(randomAccessOffsets)))
  }
}

/** A film of hours has many megabytes of tables. */
async function digestAll(digest: Hash, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += DIGEST_BYTES) {
    if (at > 0) await breathe(signal)
    digest.update(bytes.subarray(at, at + DIGEST_BYTES))
  }
}

/** What an index says; a broken one says nothing, and the file is read without it. */
function hinted(read: () => readonly number[]): readonly number[] {
  try {
    return read()
  } catch (error) {
    if (error instanceof FormatError) return []
    throw error
  }
}

async function readTopBox(file: SourceFile, window: HeaderWindow, at: number): Promise<TopBox> {
  const left = file.sizeBytes - at
  const wanted = Math.min(MAX_BOX_HEADER_BYTES, left)
  const bytes = window.peek(at, wanted) ?? (await window.read(at, wanted, 'file'))
  const header = readBoxHeader(bytes, 'file', at)
  if (header === undefined) throw new FormatError('file', at, `${left} bytes left, too few for a box`)
  if (at === 0 && !/^[\x20-\x7e\xa9]{4}$/.test(header.type))
    throw new FormatError('file', 0, 'this is no MP4 or MOV file')
  return { ...header, start: at, size: header.size === 0 ? left : header.size }
}

async function readBox(window: HeaderWindow, box: TopBox, maxBytes: number): Promise<Box> {
  const { type, start, headerSize, size } = box
  if (size > maxBytes) {
    throw new AppError('MEDIA_UNSUPPORTED', `The ${type} box has ${size} bytes, at most ${maxBytes} are read.`)
  }
  const bodyBytes = size - headerSize
  const body = window.peek(start + headerSize, bodyBytes) ?? (await window.read(start + headerSize, bodyBytes, type))
  return { type, path: type, start, headerSize, size, body }
}

/** Whether the media of a fragment, which follows it, is all there. */
async function isWhole(file: SourceFile, window: HeaderWindow, moof: TopBox): Promise<boolean> {
  const at = moof.start + moof.size
  if (file.sizeBytes - at < 8) return false
  const { start, size } = await readTopBox(file, window, at)
  return start + size <= file.sizeBytes
}

function buildersOf({ tracks, fragmentDefaults }: FileMovie): Builders {
  if (fragmentDefaults === undefined) return new Map()
  const media = tracks.filter(isMediaTrack)
  return new Map(
    media.map(({ trackId, path, config }) => [trackId, new FragmentTableBuilder(path, config.kind === 'audio')]),
  )
}

function addFragment(
  moof: Box,
  defaults: ReadonlyMap<number, SampleDefaults>,
  builders: Builders,
  texts: TextTables,
): void {
  for (const fragment of readMovieFragment(moof, moof.start, defaults)) {
    if (fragment.samples.length === 0) continue
    builders.get(fragment.trackId)?.add(fragment)
    texts.add(fragment)
  }
}

function collect(movie: FileMovie, builders: Builders, moovBytes: number): Omit<FileTracks, 'texts'> {
  let memoryBytes = moovBytes
  const media = movie.tracks.filter(isMediaTrack).flatMap((track) => {
    const builder = builders.get(track.trackId)
    if (track.tables) {
      if (builder && builder.sampleCount > 0) throw bothWays(track)
      return [{ track, samples: { tables: track.tables, startTicks: 0 } }]
    }
    memoryBytes += builder?.byteLength ?? 0
    const samples = builder?.finish()
    return samples ? [{ track, samples }] : []
  })
  const others = movie.tracks.filter((track): track is OtherTrack => !isMediaTrack(track))
  return { media, others, memoryBytes }
}

/** Half a track would be streamed as if it were all. */
function bothWays({ path }: MediaTrack): AppError {
  return new AppError(
    'MEDIA_UNSUPPORTED',
    `${path} has samples in the movie box and in fragments too, which isn't read.`,
  )
}

function noMovie({ name, sizeBytes }: SourceFile): AppError {
  const text = sizeBytes === 0 ? 'is empty' : 'has no moov box: it was not written to its end, or is no MP4'
  return new AppError('FORMAT_INVALID', `"${name}" ${text}.`)
}
