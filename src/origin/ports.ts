import type { ConformanceRule } from '../conformance/violation.ts'
import type { DeliveryTerms } from '../domain/delivery-terms.ts'
import type { DrmSignalling } from '../domain/drm-signalling.ts'
import type { EntryRefusal } from '../domain/key-refusal.ts'
import type { AccountRules } from '../domain/serving-rules.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import type { TextDocument } from '../media/text/text-document.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { KeyMaterial } from '../protection/content-key-derivation.ts'
import type { CmcdReport } from './cmcd.ts'
import type { ShedReason } from './shed-reason.ts'

/** A presentation as it is published under a locator. */
export type Published = {
  readonly locatorId: string
  /** The name in `/{locatorId}/{manifestName}.ism/manifest`. */
  readonly manifestName: string
  readonly view: PresentationView
  /**
   * The presentation with the texts beside it, which are read by whoever asks first; absent: there are none. It rejects with the signal's reason alone. What
   * names no text is answered without.
   */
  readonly withTexts?: (view: PresentationView, signal: AbortSignal) => Promise<PresentationView>
  /** Whose filters hold; absent where that is the presentation's id. */
  readonly assetId?: string
  /** ms since the epoch: before it, and from `notAfterMs` on, the locator is as good as unknown. */
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** Addresses and networks that may watch; absent or empty: anybody. */
  readonly allowIp?: readonly string[]
  /** Filters of the locator, which hold for everything under it. */
  readonly filters?: readonly string[]
  /** What may be delivered, and how it is protected; absent: all of it, in the clear. */
  readonly delivery?: DeliveryTerms
  /** Of its account; absent for what belongs to no endpoint, such as previews. */
  readonly rules?: AccountRules
}

/** Uploaded files as they are published under a locator, of which nothing has been read yet. */
export type UnopenedFiles = Omit<Published, 'view'> & { readonly files: OriginFiles }

/** The files of an asset: to be downloaded one by one, and played together. */
export type OriginFiles = {
  readonly files: readonly OriginFile[]
  /**
   * The presentation that they make, read by whoever asks first.
   * @throws AppError `FILE_UNPLAYABLE`, `ORIGIN_BUSY`, `STORAGE_DOWN` and what else the storage throws; the signal's reason
   */
  open(signal: AbortSignal): Promise<PresentationView>
  /** Whether that has been done, or is under way; absent: it has not. */
  isOpen?(): boolean
}

/** An uploaded file. */
export type OriginFile = {
  readonly name: string
  readonly sizeBytes: number
  readonly contentType: string
  /** Names these bytes and no others. */
  readonly digest: string
  /** A range that lies within; what is given stays as it is. `undefined`: it was deleted. */
  read(range: ByteRange, signal: AbortSignal): Promise<Uint8Array | undefined>
}

/** What the origin needs to know of locators and presentations: a replica in memory, so it answers at once. */
export type PublicationReader = {
  /** By the locator's id, whose case does not matter. `undefined`: unknown or revoked. */
  find(locatorId: string): Published | UnopenedFiles | undefined
  /** What holds for all that an account publishes; absent: nothing does. */
  rulesOf?(accountId: string): AccountRules | undefined
  /** Looks for a recording that nobody has asked for in a while; resolves when `find` knows as much as there is to know. */
  wake?(locatorId: string, signal: AbortSignal): Promise<void>
  /**
   * Resolves with the presentation when its `live.partVersion` is this or more, with `undefined` when it is unknown or goes away; rejects
   * with the signal's reason. It may resolve early. Absent: nothing is waited for.
   */
  waitForPart?(presentationId: string, partVersion: number, signal: AbortSignal): Promise<PresentationView | undefined>
}

/** What the origin needs of texts. */
export type TextReader = {
  /** What a text of a view that came from here says; `undefined`: it is not there any more. @throws AppError what storage throws; `FORMAT_INVALID` */
  read(text: TextRendition, signal: AbortSignal): Promise<TextDocument | undefined>
}

/** What the origin needs of the media bytes. */
export type FragmentReader = {
  /**
   * The fragments of one rendition in one segment, in order; joined they are the segment, or what there is of the one that is open. They stay what they are
   * until `signal` is aborted, which the caller does as soon as it is done: their memory is then used for other fragments.
   * `undefined`: not there any more.
   */
  read(
    presentationId: string,
    renditionIndex: number,
    sequence: number,
    signal: AbortSignal,
  ): readonly Uint8Array[] | undefined | Promise<readonly Uint8Array[] | undefined>
  /** Whether that would be given without any work; absent: of nothing. */
  isReady?(presentationId: string, renditionIndex: number, sequence: number): boolean
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

/** What opens content keys for the media that they encrypt. */
export type KeySource = {
  /** What opens the key of a KID: the key's own, or that of a period. `undefined`: there is no such key. @throws AppError where it can't be had now: `MASTER_KEY_UNAVAILABLE`, `STORE_DOWN` … */
  findFor(
    contentKeyId: string,
    kid: string,
  ): Promise<{ readonly material: KeyMaterial; readonly signalling?: DrmSignalling | undefined } | undefined>
}

/** A request for something below `/keys/`. */
export type KeyRequest = {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly authorization: string | undefined
  readonly contentType?: string | undefined
  readonly address: string
  /** Whether the account's endpoints let the request in, and if not why. */
  readonly entry?: (accountId: string) => EntryRefusal | undefined
  /** What was sent; `undefined`: more than that. */
  readonly body: (maxBytes: number) => Promise<Uint8Array | undefined>
}

/** What gives out content keys. */
export type KeyDesk = {
  /** `headers` are names and values in turn. `undefined`: there is nothing of this name. */
  answer(
    request: KeyRequest,
  ): Promise<{ readonly status: number; readonly headers: readonly string[]; readonly body: Uint8Array } | undefined>
}

/** Counts that an origin thread keeps; the main thread sums them up over threads for `/metrics`. */
export type OriginObserver = {
  /** A request has come in; `request` follows when it is answered or given up. */
  started(): void
  /** One answered request. `kind` is one of a fixed list, so that labels stay few. */
  request(kind: RequestKind, status: number, bytes: number, durationMs: number): void
  /** A player has reported by Common Media Client Data. */
  cmcd?(report: CmcdReport): void
  /** An answer broke a rule of a standard. */
  violated?(rule: ConformanceRule): void
  /** A request was refused for want of room. */
  shed?(reason: ShedReason): void
}

/** What was asked for: the closed list of the metrics' label. */
export type RequestKind =
  | 'master'
  | 'media-playlist'
  | 'iframe-playlist'
  | 'mpd'
  | 'smooth-manifest'
  | 'smooth-fragment'
  | 'init'
  | 'segment'
  | 'part'
  /** A segment that was sent while it was written. */
  | 'live-segment'
  /** A playlist, part or segment that had to be waited for. */
  | 'blocked'
  | 'download'
  | 'thumbnail'
  | 'key'
  | 'time'
  | 'other'
