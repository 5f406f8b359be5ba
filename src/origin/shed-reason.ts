import { AppError } from '../lib/errors.ts'

/** What there was too much of: the closed list of the `reason` label of `headend_origin_shed_total`. */
export const shedReasons = [
  /** Work of any kind, by how long it waits for its turn. */
  'delay',
  /** Bodies on their way to clients. */
  'bytes',
  /** Segments that are put into another container. */
  'packaging',
  /** Reading from storage, and opening files. */
  'reading',
  /** Requests that wait for what comes next. */
  'waiting',
  /** Pictures that are decoded. */
  'pictures',
  /** Recordings that are made ready for download. */
  'downloads',
  /** Connections; the next one is closed unheard. */
  'connections',
] as const

/** A value of the `reason` label. */
export type ShedReason = (typeof shedReasons)[number]

/** The refusal of a request that there is no room for; answered 503 with `Retry-After`. */
export function overloaded(reason: ShedReason, message: string, retryAfterSeconds = 1): AppError {
  return new AppError('ORIGIN_BUSY', message, { details: { reason, retryAfterSeconds } })
}

/** For want of what a request was refused; `undefined`: it failed for another reason. */
export function shedReasonOf(thrown: unknown): ShedReason | undefined {
  if (!(thrown instanceof AppError)) return undefined
  if (thrown.code !== 'ORIGIN_BUSY' && thrown.code !== 'STORAGE_BUSY') return undefined
  return shedReasons.find((reason) => reason === thrown.details['reason']) ?? 'reading'
}
