import type { BlobCall, BlobSource } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { S3Requests } from './s3-client.ts'
import { PartedUpload, type Target, type Underway } from './s3-parted-upload.ts'
import { untilAborted } from './until-aborted.ts'

/** A part has at least this share of what is before it: memory stays small, and 10,000 parts come to 870 GB. */
const PART_SHARE = 2_000
const FIRST_BUFFER_BYTES = 262_144

/** A copy of what comes, up to a part's size. */
class PartBuffer {
  #bytes: Uint8Array
  #filled = 0
  readonly #limit: number

  constructor(limit: number, expectedBytes: number) {
    this.#limit = limit
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(limit, expectedBytes))
  }

  get isFull(): boolean {
    return this.#filled === this.#limit
  }

  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.#filled)
  }

  /** Takes as much as there is room for; gives what is left. */
  take(chunk: Uint8Array): Uint8Array {
    const count = Math.min(chunk.byteLength, this.#limit - this.#filled)
    if (this.#filled + count > this.#bytes.byteLength) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(this.#limit, Math.max(this.#filled + count, 2 * this.#bytes.byteLength)),
      )
      larger.set(this.content)
      this.#bytes = larger
    }
    this.#bytes.set(chunk.subarray(0, count), this.#filled)
    this.#filled += count
    return chunk.subarray(count)
  }
}

/**
 * Writes an object. What fits one part is written at once; of the rest one part is on its way while the next one is filled.
 */
export async function writeObject(
  requests: S3Requests,
  target: Target,
  source: BlobSource,
  underway: Underway,
  { signal }: BlobCall,
): Promise<number> {
  const expectedBytes = isAtHand(source)
    ? source.reduce((sum, { byteLength }) => sum + byteLength, 0)
    : FIRST_BUFFER_BYTES
  const writer = new ObjectWriter(requests, target, underway, signal, expectedBytes)
  try {
    if (isAtHand(source)) for (const chunk of source) await writer.write(chunk)
    else for await (const chunk of untilAborted(source, signal)) await writer.write(chunk)
    signal?.throwIfAborted()
    return await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  } finally {
    writer.forget()
  }
}

function isAtHand(source: BlobSource): source is readonly Uint8Array[] {
  return Array.isArray(source)
}

class ObjectWriter {
  readonly #requests: S3Requests
  readonly #target: Target
  readonly #underway: Underway
  readonly #signal: AbortSignal
  readonly #ending = new AbortController()
  #buffer: PartBuffer
  #upload: PartedUpload | undefined
  #sending: Promise<void> = Promise.resolve()
  #sizeBytes = 0

  constructor(
    requests: S3Requests,
    target: Target,
    underway: Underway,
    signal: AbortSignal | undefined,
    expectedBytes: number,
  ) {
    this.#requests = requests
    this.#target = target
    this.#underway = underway
    this.#signal = signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal
    this.#buffer = new PartBuffer(requests.limits.partBytes, expectedBytes)
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.byteLength > 0; ) {
      // Only when more comes: what fits one part exactly is no multipart upload.
      if (this.#buffer.isFull) await this.#sendPart()
      const left = this.#buffer.take(rest)
      this.#sizeBytes += rest.byteLength - left.byteLength
      rest = left
    }
  }

  async finish(): Promise<number> {
    if (this.#upload) {
      await this.#sendPart()
      await this.#sending
      await this.#upload.complete()
    } else await this.#putWhole(this.#buffer.content)
    return this.#sizeBytes
  }

  async abandon(): Promise<void> {
    this.#ending.abort(new AppError('STOPPED', 'The writing was given up.'))
    await this.#sending.catch(() => undefined)
    await this.#upload?.abandon()
  }

  forget(): void {
    if (this.#upload) this.#underway.delete(this.#upload.id)
  }

  async #sendPart(): Promise<void> {
    await this.#sending
    // Begun with the second part's first byte: what is small costs one request.
    if (!this.#upload) {
      this.#upload = await PartedUpload.begin(this.#requests, this.#target, this.#signal)
      this.#underway.add(this.#upload.id)
    }
    this.#sending = this.#upload.add(this.#buffer.content)
    // It is heard of when the next one is to be sent, or none is.
    this.#sending.catch(() => undefined)
    const share = Math.ceil(this.#sizeBytes / PART_SHARE)
    const partBytes = Math.max(this.#requests.limits.partBytes, share)
    this.#buffer = new PartBuffer(partBytes, partBytes)
  }

  async #putWhole(content: Uint8Array): Promise<void> {
    const { bucket: Bucket, key: Key, name } = this.#target
    const input = { Bucket, Key, Body: content, ContentType: 'application/octet-stream' }
    await this.#requests.request(
      `writing ${name}`,
      (client, sdk, ending) => client.send(new sdk.PutObjectCommand(input), { abortSignal: ending }),
      { signal: this.#signal, bodyBytes: content.byteLength },
    )
  }
}
