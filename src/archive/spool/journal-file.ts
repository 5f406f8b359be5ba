import type { Span } from '../../presentation/span-table.ts'
import { createFrameSeal, type FrameSeal } from '../../protection/frame-seal.ts'
import { type DataPlace, encodeFrame, openData } from './frame.ts'
import type { JournalRecord } from './journal-head.ts'
import type { SpoolFile, SpoolFolder } from './spool-folder.ts'

/** Eight bytes that say what the file is, and whether its frames are sealed; 32 of salt follow. */
export const MAGIC = { plain: 'HEADJRN1', sealed: 'HEADJRS1' } as const
export const MAGIC_BYTES = 8
export const SALT_BYTES = 32
/** The bytes before the first frame. */
export const FILE_HEAD_BYTES = MAGIC_BYTES + SALT_BYTES

/** A record that is to be written, with the bytes that it speaks of. */
export type JournalEntry = { readonly record: JournalRecord; readonly data?: Uint8Array | undefined }

/** The data of a segment's fragments, by track, in order. */
export type SegmentPlaces = ReadonlyMap<number, readonly DataPlace[]>

/** What the frames of a file are sealed with; `undefined` where they are not. */
export function sealOf(assetKey: Uint8Array | undefined, salt: Uint8Array): FrameSeal | undefined {
  return assetKey && createFrameSeal(assetKey, salt)
}

/** What is known of a file that was written earlier. */
export type JournalState = { readonly sizeBytes: number; readonly rows: JournalRows }

/** The segments of a file: whole ones, gaps among them, and where the data of each lies. */
export class JournalRows {
  readonly #places = new Map<number, Map<number, DataPlace[]>>()
  #first: number | undefined
  #end = 0

  /** `firstSequence` ≤ sequence < `endSequence`; `undefined` where there is none that is whole. */
  get span(): Span | undefined {
    return this.#first === undefined ? undefined : { firstSequence: this.#first, endSequence: this.#end }
  }

  add(record: JournalRecord, place: DataPlace): void {
    if (record.type === 'fragment') {
      const tracks = this.#places.get(record.sequence) ?? new Map<number, DataPlace[]>()
      this.#places.set(record.sequence, tracks)
      const places = tracks.get(record.track)
      if (places) places.push(place)
      else tracks.set(record.track, [place])
    }
    if (record.type !== 'segment-closed' && record.type !== 'gap') return
    this.#first ??= record.sequence
    this.#end = record.sequence + 1
    if (record.type === 'gap') this.#places.delete(record.sequence)
  }

  /** The bytes of this segment are not all there. */
  forget(sequence: number): void {
    this.#places.delete(sequence)
  }

  places(sequence: number): SegmentPlaces | undefined {
    return this.#places.get(sequence)
  }
}

/**
 * One file of a recording's journal: the frames of one span, appended and never changed. Whoever appends does so one call
 * after the other; what is there can be read at any time.
 */
export class JournalFile {
  readonly name: string
  readonly #folder: SpoolFolder
  readonly #file: SpoolFile
  readonly #seal: FrameSeal | undefined
  readonly #rows: JournalRows
  #sizeBytes: number
  #nextIndex = 0

  private constructor(
    name: string,
    folder: SpoolFolder,
    file: SpoolFile,
    seal: FrameSeal | undefined,
    { sizeBytes, rows }: JournalState,
  ) {
    this.name = name
    this.#folder = folder
    this.#file = file
    this.#seal = seal
    this.#sizeBytes = sizeBytes
    this.#rows = rows
  }

  /** A new file. `salt`: 32 bytes that were never used before. */
  static async create(
    folder: SpoolFolder,
    name: string,
    assetKey: Uint8Array | undefined,
    salt: Uint8Array,
  ): Promise<JournalFile> {
    const file = await folder.create(name)
    try {
      await file.write([Buffer.from(assetKey ? MAGIC.sealed : MAGIC.plain), salt], 0)
    } catch (error) {
      // A file without a head is nothing: the name is free for the next try.
      await file.close()
      await folder.remove(name)
      throw error
    }
    return new JournalFile(name, folder, file, sealOf(assetKey, salt), {
      sizeBytes: FILE_HEAD_BYTES,
      rows: new JournalRows(),
    })
  }

  /** A file of an earlier run, as it was found: to be read, not to be written to. */
  static found(
    folder: SpoolFolder,
    name: string,
    file: SpoolFile,
    seal: FrameSeal | undefined,
    state: JournalState,
  ): JournalFile {
    return new JournalFile(name, folder, file, seal, state)
  }

  /** Bytes on the disk. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Appends frames, all of them or none; `sync`: resolves when they would outlive a loss of power. */
  async append(entries: readonly JournalEntry[], sync: boolean): Promise<void> {
    const start = this.#sizeBytes
    const pieces: Uint8Array[] = []
    const added: { readonly record: JournalRecord; readonly place: DataPlace }[] = []
    let end = start
    for (const { record, data } of entries) {
      const frame = encodeFrame(this.#nextIndex++, record, data, this.#seal)
      pieces.push(...frame.pieces)
      added.push({ record, place: { ...frame.data, offset: end + frame.data.offset } })
      end += frame.sizeBytes
    }
    try {
      await this.#file.write(pieces, start)
      if (sync) await this.#file.sync()
    } catch (error) {
      // Half a frame at the end would be all that a reader sees of what is appended behind it.
      await this.#file.truncate(start).catch(() => undefined)
      throw error
    }
    this.#sizeBytes = end
    for (const { record, place } of added) this.#rows.add(record, place)
  }

  /** As `JournalRows.span`. */
  get span(): Span | undefined {
    return this.#rows.span
  }

  places(sequence: number): SegmentPlaces | undefined {
    return this.#rows.places(sequence)
  }

  /** A fragment's bytes; `undefined` where they are not (any more) what was written. */
  async read(place: DataPlace): Promise<Uint8Array | undefined> {
    return openData(place, await this.#file.read(place.offset, place.sizeBytes), this.#seal)
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /** Closes the file and removes it. */
  async remove(): Promise<void> {
    await this.close()
    await this.#folder.remove(this.name)
  }
}
