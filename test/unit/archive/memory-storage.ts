import { Readable } from 'node:stream'
import type { BlobInfo, BlobRead, BlobSource, BlobStorage } from '../../../src/domain/blob-storage.ts'
import { AppError } from '../../../src/lib/errors.ts'
import type { ByteRange } from '../../../src/lib/http-conditions.ts'

export type StorageCall = { readonly op: 'put' | 'read' | 'list' | 'delete' | 'copy'; readonly name: string }

/** Storage in memory, that fails or waits as the test wants. */
export class MemoryStorage implements BlobStorage {
  readonly blobs = new Map<string, Buffer>()
  /** In order. */
  readonly calls: StorageCall[] = []
  fault: (call: StorageCall) => Promise<void> | undefined = () => undefined

  async #call(op: StorageCall['op'], name: string): Promise<void> {
    this.calls.push({ op, name })
    await this.fault({ op, name })
  }

  async put(name: string, source: BlobSource): Promise<{ readonly sizeBytes: number }> {
    await this.#call('put', name)
    const pieces: Uint8Array[] = []
    for await (const piece of source) pieces.push(Buffer.from(piece))
    const bytes = Buffer.concat(pieces)
    this.blobs.set(name, bytes)
    return { sizeBytes: bytes.byteLength }
  }

  async read(name: string, { first, last }: ByteRange): Promise<Uint8Array | undefined> {
    await this.#call('read', name)
    const blob = this.blobs.get(name)
    if (!blob) return undefined
    if (last >= blob.byteLength) throw new AppError('BLOB_TRUNCATED', 'short')
    return Buffer.from(blob.subarray(first, last + 1))
  }

  async readRange(name: string, range: ByteRange | undefined): Promise<BlobRead | undefined> {
    await this.#call('read', name)
    const blob = this.blobs.get(name)
    if (!blob) return undefined
    const bytes = range ? blob.subarray(range.first, range.last + 1) : blob
    return { sizeBytes: blob.byteLength, stream: Readable.from([bytes]) }
  }

  async *list(folder: string): AsyncIterable<BlobInfo> {
    await this.#call('list', folder)
    for (const name of this.names) {
      if (name.startsWith(`${folder}/`)) yield { name, sizeBytes: this.blobs.get(name)!.byteLength }
    }
  }

  async delete(name: string): Promise<void> {
    await this.#call('delete', name)
    this.blobs.delete(name)
  }

  async copy(from: string, to: string): Promise<boolean> {
    await this.#call('copy', from)
    const blob = this.blobs.get(from)
    if (blob) this.blobs.set(to, blob)
    return blob !== undefined
  }

  get names(): string[] {
    return [...this.blobs.keys()].toSorted()
  }
}
