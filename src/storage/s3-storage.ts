import type { BlobCall, BlobInfo, BlobRead, BlobSource, BlobStorage } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { Turns } from '../lib/turns.ts'
import { encodeBlobName } from './blob-path.ts'
import { readSize } from './file-reading.ts'
import { S3Requests } from './s3-client.ts'
import { copyObject } from './s3-copy.ts'
import { S3Lister } from './s3-listing.ts'
import type { Target, Underway } from './s3-parted-upload.ts'
import { S3Reader } from './s3-reading.ts'
import type { S3Options } from './s3-settings.ts'
import { sweepUploads } from './s3-sweep.ts'
import { writeObject } from './s3-writing.ts'

/**
 * Blobs as objects of an S3 bucket, under the names that `FilesystemStorage` gives its files. Nothing is loaded or connected
 * before the first call.
 */
export class S3Storage implements BlobStorage {
  readonly #requests: S3Requests
  readonly #bucket: string
  readonly #root: string
  readonly #reader: S3Reader
  readonly #lister: S3Lister
  readonly #reads: Turns
  readonly #writes: Turns
  readonly #others: Turns
  readonly #underway: Underway = new Set()

  constructor(options: S3Options) {
    const { bucket, prefix = '' } = options.place
    this.#requests = new S3Requests(options)
    this.#bucket = bucket
    this.#root = prefix === '' ? '' : `${prefix}/`
    this.#reader = new S3Reader(this.#requests, bucket)
    this.#lister = new S3Lister(this.#requests, bucket, this.#root)
    const { maxReads, maxWrites, maxOthers, maxWaiting } = this.#requests.limits
    this.#reads = new Turns(maxReads, { maxWaiting, refusal: busy })
    this.#writes = new Turns(maxWrites, { maxWaiting, refusal: busy })
    this.#others = new Turns(maxOthers, { maxWaiting, refusal: busy })
  }

  async put(name: string, source: BlobSource, call: BlobCall = {}) {
    const target = this.#target(name)
    return this.#writes.run(async () => {
      const sizeBytes = await writeObject(this.#requests, target, source, this.#underway, call)
      return { sizeBytes }
    }, call)
  }

  async read(name: string, range: ByteRange, call: BlobCall = {}): Promise<Uint8Array | undefined> {
    const { key } = this.#target(name)
    readSize(name, range)
    return this.#reads.run(() => this.#reader.read(key, name, range, call), { ...call, urgent: true })
  }

  async readRange(name: string, range: ByteRange | undefined, call: BlobCall = {}): Promise<BlobRead | undefined> {
    const { key } = this.#target(name)
    const release = await this.#reads.take(call)
    try {
      const found = await this.#reader.stream(key, name, range, call, release)
      if (found === undefined) release()
      return found
    } catch (error) {
      release()
      throw error
    }
  }

  async *list(folder: string, call: BlobCall & { readonly after?: string } = {}): AsyncGenerator<BlobInfo> {
    yield* this.#lister.list(folder === '' ? '' : `${encodeBlobName(folder).join('/')}/`, call)
  }

  async delete(name: string, call: BlobCall = {}): Promise<void> {
    const { bucket: Bucket, key: Key } = this.#target(name)
    await this.#others.run(
      () =>
        this.#requests.request(
          `deleting ${name}`,
          (client, sdk, ending) => client.send(new sdk.DeleteObjectCommand({ Bucket, Key }), { abortSignal: ending }),
          call,
        ),
      call,
    )
  }

  async copy(from: string, to: string, { signal }: BlobCall = {}): Promise<boolean> {
    const { key } = this.#target(from)
    const target = this.#target(to)
    return this.#others.run(() => copyObject(this.#requests, key, target, this.#underway, signal), { signal })
  }

  /** Removes uploads that a crash cut short, to which nothing was added since `beforeMs` (Unix time); gives how many. */
  sweep(beforeMs: number): Promise<number> {
    return sweepUploads(this.#requests, this.#bucket, this.#root, beforeMs, this.#underway)
  }

  /** Closes its connections. */
  close(): Promise<void> {
    return this.#requests.close()
  }

  #target(name: string): Target {
    return { bucket: this.#bucket, key: this.#root + encodeBlobName(name).join('/'), name }
  }
}

const busy = () => new AppError('STORAGE_BUSY', 'Too much is being read from and written to storage: try again.')
