import { createHash } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import type { S3Requests } from './s3-client.ts'
import { failureName } from './s3-errors.ts'

const MAX_PARTS = 10_000
/** What was begun and is to be forgotten is given so long; what is left then is swept later. */
const ABANDON_MS = 5_000
/** Putting thousands of parts together takes the service a while. */
const COMPLETE_MS = 60_000

type Part = { readonly PartNumber: number; readonly ETag: string }

/** Where an object is written to. */
export type Target = { readonly bucket: string; readonly key: string; readonly name: string }

/** Uploads that this process carries out: no sweep is to take them for somebody's leavings. */
export type Underway = Set<string>

/** A multipart upload: nothing of it can be seen before it is complete. */
export class PartedUpload {
  readonly #requests: S3Requests
  readonly #target: Target
  readonly #signal: AbortSignal | undefined
  readonly #parts: Part[] = []
  readonly id: string

  private constructor(requests: S3Requests, target: Target, id: string, signal: AbortSignal | undefined) {
    this.#requests = requests
    this.#target = target
    this.id = id
    this.#signal = signal
  }

  /** Begins one. */
  static async begin(requests: S3Requests, target: Target, signal: AbortSignal | undefined): Promise<PartedUpload> {
    const { UploadId } = await requests.request(
      `writing ${target.name}`,
      (client, sdk, ending) =>
        client.send(
          new sdk.CreateMultipartUploadCommand({
            Bucket: target.bucket,
            Key: target.key,
            ContentType: 'application/octet-stream',
          }),
          { abortSignal: ending },
        ),
      { signal },
    )
    if (UploadId !== undefined) return new PartedUpload(requests, target, UploadId, signal)
    throw new AppError('STORAGE_DOWN', `The object store gave no upload for ${target.name}.`)
  }

  /** The number that the next part gets. @throws AppError `LIMIT_EXCEEDED` where there may be no more */
  #next(): number {
    const number = this.#parts.length + 1
    if (number <= MAX_PARTS) return number
    throw new AppError('LIMIT_EXCEEDED', `${this.#target.name} is too large for the object store.`)
  }

  /** Uploads the next part. */
  async add(content: Uint8Array): Promise<void> {
    const PartNumber = this.#next()
    const { bucket: Bucket, key: Key, name } = this.#target
    const { ETag } = await this.#requests.request(
      `writing ${name}`,
      (client, sdk, ending) =>
        client.send(new sdk.UploadPartCommand({ Bucket, Key, UploadId: this.id, PartNumber, Body: content }), {
          abortSignal: ending,
        }),
      { signal: this.#signal, bodyBytes: content.byteLength },
    )
    this.#parts.push({ PartNumber, ETag: ETag ?? '' })
  }

  /** Makes the next part of a piece of another object, within the service. */
  async addCopy(source: string, etag: string | undefined, first: number, last: number, extraMs: number): Promise<void> {
    const PartNumber = this.#next()
    const { bucket: Bucket, key: Key, name } = this.#target
    const input = {
      ...{ Bucket, Key, UploadId: this.id, PartNumber, CopySource: source },
      CopySourceRange: `bytes=${first}-${last}`,
      ...(etag !== undefined && { CopySourceIfMatch: etag }),
    }
    const { CopyPartResult } = await this.#requests.request(
      `copying to ${name}`,
      (client, sdk, ending) => client.send(new sdk.UploadPartCopyCommand(input), { abortSignal: ending }),
      { signal: this.#signal, extraMs },
    )
    this.#parts.push({ PartNumber, ETag: CopyPartResult?.ETag ?? '' })
  }

  /** Makes an object of the parts. */
  async complete(): Promise<void> {
    const { bucket: Bucket, key: Key, name } = this.#target
    let attempts = 0
    const input = { Bucket, Key, UploadId: this.id, MultipartUpload: { Parts: this.#parts } }
    try {
      await this.#requests.request(
        `writing ${name}`,
        (client, sdk, ending) => {
          attempts += 1
          return client.send(new sdk.CompleteMultipartUploadCommand(input), { abortSignal: ending })
        },
        { signal: this.#signal, extraMs: COMPLETE_MS },
      )
    } catch (error) {
      // An attempt whose answer got lost may have done it: then there is no such upload any more, but our object.
      const cause = error instanceof AppError ? error.cause : error
      if (attempts === 1 || failureName(cause) !== 'NoSuchUpload' || !(await this.#isThere())) throw error
    }
  }

  async #isThere(): Promise<boolean> {
    const { bucket: Bucket, key: Key, name } = this.#target
    const { ETag } = await this.#requests.request(
      `writing ${name}`,
      (client, sdk, ending) => client.send(new sdk.HeadObjectCommand({ Bucket, Key }), { abortSignal: ending }),
      { signal: this.#signal },
    )
    return ETag?.replaceAll('"', '') === etagOfParts(this.#parts)
  }

  /** Has the service forget the parts, as far as it is there; what is left is swept later. */
  async abandon(): Promise<void> {
    const input = { Bucket: this.#target.bucket, Key: this.#target.key, UploadId: this.id }
    const request = (signal: AbortSignal) =>
      this.#requests.request(
        `giving up ${this.#target.name}`,
        (client, sdk, ending) => client.send(new sdk.AbortMultipartUploadCommand(input), { abortSignal: ending }),
        { signal },
      )
    await this.#requests.within(ABANDON_MS, undefined, request).catch(() => undefined)
  }
}

/** The ETag of an object made of parts, where parts have the MD5 of their content as theirs. */
function etagOfParts(parts: readonly Part[]): string {
  const digest = createHash('md5')
  for (const { ETag } of parts) digest.update(Buffer.from(ETag.replaceAll('"', ''), 'hex'))
  return `${digest.digest('hex')}-${parts.length}`
}
