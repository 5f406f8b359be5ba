import { createHash } from 'node:crypto'
import type { EntityStore, RememberedAnswer } from '../../domain/entity-store.ts'
import { AppError } from '../../lib/errors.ts'
import type { Made } from './route.ts'

const KEPT_MS = 86_400_000
const KEY = /^[\x21-\x7e]{1,255}$/

/** A request that says by a key that it is the same as any other with that key. */
export type IdempotentRequest = { readonly accountId: string; readonly key: string; readonly requestHash: string }

type Asked = {
  readonly accountId: string
  readonly credentialId: string
  readonly method: string
  readonly path: string
  readonly body: unknown
}

/**
 * What identifies a request by its `Idempotency-Key`. Keys of different credentials don't meet.
 *
 * @throws AppError `REQUEST_INVALID` for a key that is none
 */
export function idempotentRequest(key: string, asked: Asked): IdempotentRequest {
  if (!KEY.test(key)) {
    throw new AppError('REQUEST_INVALID', 'Idempotency-Key must be 1 to 255 visible ASCII characters.')
  }
  const { accountId, credentialId, method, path, body } = asked
  const hash = (text: string) => createHash('sha256').update(text).digest('base64url')
  const requestHash = hash(JSON.stringify([method, path, body ?? null]))
  return { accountId, key: hash(JSON.stringify([credentialId, key])), requestHash }
}

/**
 * What a request with the same key had made, if there was one.
 *
 * @throws AppError `IDEMPOTENCY_KEY_USED` where that was another request
 */
export async function recallMade(store: EntityStore, request: IdempotentRequest): Promise<Made | undefined> {
  const remembered = await store.recall(request.accountId, request.key)
  if (!remembered) return undefined
  if (remembered.requestHash === request.requestHash) return remembered.answer as Made
  throw new AppError('IDEMPOTENCY_KEY_USED', 'This Idempotency-Key was used for another request.')
}

/** What is written beside the changes of the request. */
export function remembering(
  { accountId, key, requestHash }: IdempotentRequest,
  made: Made,
  nowMs: number,
): RememberedAnswer {
  return { accountId, key, requestHash, answer: { ...made }, expires: nowMs + KEPT_MS }
}
