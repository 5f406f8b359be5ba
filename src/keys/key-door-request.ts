import type { EntryRefusal, KeyDelivery, KeyRefusal } from '../domain/key-refusal.ts'

/** A request for keys, as the streaming listener has it. */
export type KeyDoorRequest = {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly authorization: string | undefined
  readonly contentType?: string | undefined
  readonly address: string
  /** Whether the endpoints of an account let the request in, and if not why; absent: they do. */
  readonly entry?: (accountId: string) => EntryRefusal | undefined
  /** What was sent; `undefined`: more bytes than that. */
  readonly body: (maxBytes: number) => Promise<Uint8Array | undefined>
}

/** One answer, for metrics and the log of events; a batch of KIDs is told of one by one. */
export type KeyDoorObserver = {
  granted(delivery: KeyDelivery, key: { readonly accountId: string; readonly keyId: string }): void
  refused(
    delivery: KeyDelivery,
    reason: KeyRefusal,
    address: string,
    /** Absent where there is none, or it isn't known. */
    key: { readonly accountId: string; readonly keyId: string } | undefined,
  ): void
}
