import type { Batch, BatchResult } from './batch.ts'
import type { Outcome } from './call-limits.ts'

/** What the thread is started with. `slots` has one state per call that may wait. */
export type SqliteThreadData = { readonly path: string; readonly slots: Int32Array<SharedArrayBuffer> }

/**
 * The states of a slot. The caller abandons a waiting call, the thread takes one, by compare-and-exchange: so exactly one
 * of them decides, and a call that was abandoned in time has certainly not happened.
 */
export const slotState = { waiting: 0, taken: 1, abandoned: 2 } as const

/** To the thread. */
export type SqliteRequest =
  | { readonly kind: 'call'; readonly slot: number; readonly batch: Batch }
  | { readonly kind: 'stop' }

/** How a call ended: as a batch does, not at all (`dropped`), for now impossible (`down`), or wrong in itself (`broken`). */
export type SqliteAnswer =
  | BatchResult
  | { readonly kind: 'dropped' }
  | { readonly kind: 'down'; readonly problem: string; readonly outcome: Outcome }
  | { readonly kind: 'broken'; readonly problem: string }

/** From the thread; a slot is free again with its answer. */
export type SqliteReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly problem: string }
  | { readonly kind: 'answer'; readonly slot: number; readonly answer: SqliteAnswer }
