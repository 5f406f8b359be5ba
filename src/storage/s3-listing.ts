import type { BlobCall, BlobInfo } from '../domain/blob-storage.ts'
import { decodePart } from './blob-path.ts'
import { compareNames, inNameOrder } from './name-order.ts'
import type { S3Requests } from './s3-client.ts'

/** Lists the objects of one bucket under a prefix. */
export class S3Lister {
  readonly #requests: S3Requests
  readonly #bucket: string
  readonly #root: string

  /** `root` is what every key begins with, a slash at its end; or nothing. */
  constructor(requests: S3Requests, bucket: string, root: string) {
    this.#requests = requests
    this.#bucket = bucket
    this.#root = root
  }

  /** Blobs under a folder, given as a key with a slash at its end, in the order of their names, after `after`. */
  async *list(
    folder: string,
    { after, signal }: BlobCall & { readonly after?: string | undefined },
  ): AsyncGenerator<BlobInfo> {
    // Passed over here, not by the service: in the order of names a page begins elsewhere than in that of keys.
    for await (const blob of inNameOrder(this.#all(folder, signal))) {
      if (after === undefined || compareNames(blob.name, after) > 0) yield blob
    }
  }

  async *#all(folder: string, signal: AbortSignal | undefined) {
    const Prefix = this.#root + folder
    let token: string | undefined
    do {
      const input = { Bucket: this.#bucket, Prefix, ...(token !== undefined && { ContinuationToken: token }) }
      const page = await this.#requests.request(
        'listing',
        (client, sdk, ending) => client.send(new sdk.ListObjectsV2Command(input), { abortSignal: ending }),
        { signal },
      )
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const key = Key.slice(this.#root.length)
        const name = nameOf(key)
        if (name !== undefined) yield { key, blob: { name, sizeBytes: Size } }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }
}

/** The name that a key, without what all begin with, stands for; `undefined` for one that no blob ever had. */
export function nameOf(key: string): string | undefined {
  const parts = key.split('/').map(decodePart)
  return parts.includes(undefined) ? undefined : parts.join('/')
}
