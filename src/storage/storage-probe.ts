import { randomUUID } from 'node:crypto'
import type { BlobCall, BlobStorage } from '../domain/blob-storage.ts'
import { fieldError } from '../domain/validation.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { timeLimit } from '../lib/time-limit.ts'
import { failureName } from './s3-errors.ts'

/** All of it together. */
const PROBE_MS = 12_000
const CONTENT = Buffer.from('Headend tries whether this can be written. It may be deleted.')

/** Which field of a place is at fault where the service gives such an answer. */
const blamed: Readonly<Record<string, readonly [string, string]>> = {
  NoSuchBucket: ['/location/bucket', 'there is no such bucket'],
  InvalidBucketName: ['/location/bucket', 'the service takes no such name'],
  InvalidAccessKeyId: ['/credentials/accessKeyId', 'the service doesn’t know it'],
  SignatureDoesNotMatch: ['/credentials/secretAccessKey', 'it is not the one of this access key'],
  AccessDenied: ['/credentials', 'they don’t allow it'],
  ExpiredToken: ['/credentials', 'they have expired'],
  CredentialsProviderError: ['/credentials', 'the server has none of its own'],
  AuthorizationHeaderMalformed: ['/location/region', 'the service is in another one'],
  PermanentRedirect: ['/location/region', 'the bucket is in another one'],
  TARGET_REFUSED: ['/location/endpoint', 'it is not a public address'],
}

/**
 * Writes, reads, lists and deletes a small blob.
 *
 * @throws AppError `STORAGE_REFUSED` with `details.problems`, where the service or the way to it refuses one of these; the
 * signal's reason
 */
export async function probeStorage(storage: BlobStorage, clock: Clock, { signal }: BlobCall): Promise<void> {
  const time = timeLimit(clock, PROBE_MS, signal, new AppError('STORAGE_DOWN', 'The object store is too slow.'))
  const call = { signal: time.signal }
  const name = `headend-probe/${randomUUID()}`
  let doing = 'writing'
  try {
    await storage.put(name, [CONTENT], call)
    doing = 'reading'
    const bytes = await storage.read(name, { first: 0, last: CONTENT.byteLength - 1 }, call)
    if (!bytes || !CONTENT.equals(bytes)) throw new AppError('STORAGE_DOWN', 'What was written did not come back.')
    doing = 'listing'
    const listed = await Array.fromAsync(storage.list('headend-probe', call))
    if (!listed.some((blob) => blob.name === name))
      throw new AppError('STORAGE_DOWN', 'What was written is not listed.')
    doing = 'deleting'
    await storage.delete(name, call)
  } catch (error) {
    signal?.throwIfAborted()
    throw refusal(error, doing)
  } finally {
    time.end()
  }
}

function refusal(error: unknown, doing: string): AppError {
  const cause = error instanceof AppError ? (error.cause ?? error) : error
  const name = cause instanceof AppError ? cause.code : failureName(cause)
  const [pointer, detail] = blamed[name] ?? ['/location', `it can’t be used: ${messageOf(error)}`]
  const problems = [{ pointer, detail: `${detail} (${doing} a small object: ${name})`.slice(0, 512) }]
  return fieldError('STORAGE_REFUSED', problems)
}
