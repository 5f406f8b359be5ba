import type { ByteRange } from '../lib/http-conditions.ts'
import type { PresentationView } from '../presentation/view.ts'

/** A presentation as it is published under a locator. */
export type Published = {
  readonly locatorId: string
  /** The name in `/{locatorId}/{manifestName}.ism/manifest`. */
  readonly manifestName: string
  readonly view: PresentationView
  /** ms since the epoch: before it, and from `notAfterMs` on, the locator is as good as unknown. */
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** Addresses and networks that may watch; absent or empty: anybody. */
  readonly allowIp?: readonly string[]
}

/** What the origin needs to know of locators and presentations: a replica in memory, so it answers at once. */
export type PublicationReader = {
  /** By the locator's id, whose case does not matter. `undefined`: unknown or revoked. */
  find(locatorId: string): Published | undefined
  /** Looks for a recording that nobody has asked for in a while; resolves when `find` knows as much as there is to know. */
  wake?(locatorId: string, signal: AbortSignal): Promise<void>
}

/** What the origin needs of the media bytes. */
export type FragmentReader = {
  /**
   * The fragments of one rendition in one closed segment, in order; joined they are the segment. They stay what they are
   * until `signal` is aborted, which the caller does as soon as it is done: their memory is then used for other fragments.
   * `undefined`: not there any more.
   */
  read(
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ): readonly Uint8Array[] | undefined | Promise<readonly Uint8Array[] | undefined>
}

/** What a download needs of the media bytes: parts of segments, wherever they lie. */
export type SegmentSource = {
  /**
   * The bytes of one rendition in one closed segment: all of them, or a range, which lies within. What is given stays as it is.
   * `undefined`: not there any more. Rejects with the signal's reason when that is aborted first.
   */
  read(
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined>
}

/** Counts that an origin thread keeps; the main thread sums them up over threads for `/metrics`. */
export type OriginObserver = {
  /** A request has come in; `request` follows when it is answered or given up. */
  started(): void
  /** One answered request. `kind` is one of a fixed list, so that labels stay few. */
  request(kind: RequestKind, status: number, bytes: number, durationMs: number): void
}

/** What was asked for: the closed list of the metrics' label. */
export type RequestKind =
  | 'master'
  | 'media-playlist'
  | 'iframe-playlist'
  | 'mpd'
  | 'init'
  | 'segment'
  | 'download'
  | 'time'
  | 'other'
