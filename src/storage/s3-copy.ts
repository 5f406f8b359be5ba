import { AppError } from '../lib/errors.ts'
import type { S3Requests } from './s3-client.ts'
import { isMissing } from './s3-errors.ts'
import { PartedUpload, type Target, type Underway } from './s3-parted-upload.ts'

/** How fast a service copies within itself, at least. */
const COPY_BYTES_PER_MS = 16_384

type Source = { readonly sizeBytes: number; readonly etag: string | undefined }

/** Copies an object within its bucket, on the service's side. Whether there was one. */
export async function copyObject(
  requests: S3Requests,
  from: string,
  target: Target,
  underway: Underway,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { bucket: Bucket, key: Key, name } = target
  const source = await sourceOf(requests, Bucket, from, name, signal)
  if (source === undefined) return false
  // The service refuses to copy an object onto itself.
  if (from === Key) return true
  const CopySource = [Bucket, ...from.split('/')].map(encodeURIComponent).join('/')
  const { maxCopyBytes } = requests.limits
  if (source.sizeBytes > maxCopyBytes) {
    await copyParts(requests, CopySource, source, target, underway, signal)
    return true
  }
  const input = { Bucket, Key, CopySource }
  const result = await requests
    .request(
      `copying to ${name}`,
      (client, sdk, ending) => client.send(new sdk.CopyObjectCommand(input), { abortSignal: ending }),
      { signal, extraMs: source.sizeBytes / COPY_BYTES_PER_MS },
    )
    .catch(ignoreMissing)
  return result !== undefined
}

async function sourceOf(
  requests: S3Requests,
  Bucket: string,
  Key: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Source | undefined> {
  const head = await requests
    .request(
      `copying to ${name}`,
      (client, sdk, ending) => client.send(new sdk.HeadObjectCommand({ Bucket, Key }), { abortSignal: ending }),
      { signal },
    )
    .catch(ignoreMissing)
  return head && { sizeBytes: head.ContentLength ?? 0, etag: head.ETag }
}

function ignoreMissing(thrown: unknown): undefined {
  if (!isMissing(thrown instanceof AppError ? thrown.cause : thrown)) throw thrown
}

async function copyParts(
  requests: S3Requests,
  copySource: string,
  { sizeBytes, etag }: Source,
  target: Target,
  underway: Underway,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { copyPartBytes } = requests.limits
  const upload = await PartedUpload.begin(requests, target, signal)
  underway.add(upload.id)
  try {
    for (let first = 0; first < sizeBytes; first += copyPartBytes) {
      const last = Math.min(first + copyPartBytes, sizeBytes) - 1
      await upload.addCopy(copySource, etag, first, last, copyPartBytes / COPY_BYTES_PER_MS)
    }
    await upload.complete()
  } catch (error) {
    await upload.abandon()
    throw error
  } finally {
    underway.delete(upload.id)
  }
}
