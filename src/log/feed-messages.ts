import type { ArchivePlace } from '../domain/archive-place.ts'
import type { DeliveryTerms } from '../domain/delivery-terms.ts'
import type { FileSet } from '../domain/file-set.ts'
import type { AccountRules } from '../domain/serving-rules.ts'
import type { TextSet } from '../domain/text-sidecar.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { PresentationSnapshot } from '../presentation/snapshot.ts'
import type { FragmentPlace } from './fragment-memory.ts'

/** Under which locator and name a presentation is published, from when to when, and for whom. */
export type Publication = {
  readonly locatorId: string
  readonly manifestName: string
  readonly presentationId: string
  /** ms since the epoch: before it, and from `notAfterMs` on, the locator is as good as unknown. */
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** Addresses and networks that may watch; absent or empty: anybody. */
  readonly allowIp?: readonly string[]
  /** Filters of the locator, which hold for everything under it. */
  readonly filters?: readonly string[]
  /** What may be delivered, and how it is protected; absent: all of it, in the clear. */
  readonly delivery?: DeliveryTerms
  /** Whose rules hold; absent for what belongs to no streaming endpoint. */
  readonly accountId?: string
}

/** A fragment as another thread knows it; the token is given back when that thread no longer needs the bytes. */
export type SentFragment = FragmentPlace & { readonly token: number }

/** What a feed tells a replica, in order. */
export type FeedEntry =
  /** Memory that later fragments lie in. */
  | { readonly kind: 'region'; readonly region: number; readonly buffer: SharedArrayBuffer }
  /** The whole of what is published and open: whatever is not named here is gone. Logs follow one by one. */
  | {
      readonly kind: 'reset'
      readonly publications: readonly Publication[]
      readonly presentationIds: readonly string[]
    }
  | { readonly kind: 'publish'; readonly publication: Publication }
  | { readonly kind: 'withdraw'; readonly locatorId: string }
  /** What the locators of an asset publish as long as it has no log; after a `reset` each set follows. */
  | { readonly kind: 'files'; readonly set: FileSet }
  | { readonly kind: 'files-closed'; readonly assetId: string }
  /** The text files of an asset, in place of those that it had. */
  | { readonly kind: 'texts'; readonly set: TextSet }
  | { readonly kind: 'texts-closed'; readonly assetId: string }
  /** What holds for all that an account publishes, in place of what did; after a `reset` those of each account follow. */
  | { readonly kind: 'rules'; readonly rules: AccountRules }
  /** Content keys of an account (absent: of any), or who gets them, have changed: what is known of them is to be asked for anew. */
  | { readonly kind: 'keys-changed'; readonly accountId?: string }
  /** A copy of a log begins; until `ready` the replica goes on with what it had of it. */
  | {
      readonly kind: 'begin'
      readonly presentationId: string
      readonly snapshot: PresentationSnapshot
      /** Where what is not in memory is read from. */
      readonly place: ArchivePlace | undefined
    }
  | {
      readonly kind: 'record'
      readonly presentationId: string
      readonly record: LogRecord
      readonly fragments: readonly SentFragment[]
    }
  /** Bytes of a segment that the snapshot has. */
  | {
      readonly kind: 'bytes'
      readonly presentationId: string
      readonly sequence: number
      readonly track: number
      readonly fragments: readonly SentFragment[]
    }
  /** The bytes of closed segments before this one are no longer in memory. */
  | { readonly kind: 'cooled'; readonly presentationId: string; readonly firstSequence: number }
  /** The copy is complete. */
  | { readonly kind: 'ready'; readonly presentationId: string }
  | { readonly kind: 'closed'; readonly presentationId: string }
  /** Every log that was open at the `reset` has been copied. */
  | { readonly kind: 'synced' }

/** Entries of one turn in one message; serials count from 1 on each connection. */
export type FeedBatch = { readonly serial: number; readonly entries: readonly FeedEntry[] }

/** What a replica tells its feed. */
export type FeedReply =
  /** A replica has started and knows nothing. */
  | { readonly kind: 'hello' }
  /** Everything up to this batch has been applied. */
  | { readonly kind: 'ack'; readonly serial: number }
  /** These fragments are no longer read. */
  | { readonly kind: 'released'; readonly tokens: readonly number[] }
  /** A batch could not be applied: send everything anew. */
  | { readonly kind: 'failed'; readonly reason: string }

/** The part of `MessagePort` and of `Worker` that a feed and a replica use. */
export type FeedPort = {
  postMessage(message: unknown): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
}
