import type { ListMultipartUploadsCommandOutput, ListPartsCommandOutput, MultipartUpload } from '@aws-sdk/client-s3'
import type { S3Requests } from './s3-client.ts'
import { nameOf } from './s3-listing.ts'
import type { Underway } from './s3-parted-upload.ts'

/** An upload that somebody may have left behind. */
type Candidate = { readonly key: string; readonly id: string; readonly begunMs: number }

/**
 * Has the service forget uploads under a prefix to which nothing was added since `beforeMs` (Unix time) and which this process
 * doesn't carry out; gives how many.
 */
export async function sweepUploads(
  requests: S3Requests,
  bucket: string,
  prefix: string,
  beforeMs: number,
  underway: Underway,
): Promise<number> {
  let removed = 0
  for await (const { key, id, begunMs } of uploadsOf(requests, bucket, prefix)) {
    const isOurs = nameOf(key.slice(prefix.length)) !== undefined
    if (!isOurs || underway.has(id) || begunMs >= beforeMs) continue
    if ((await lastPartMs(requests, bucket, key, id)) >= beforeMs) continue
    const input = { Bucket: bucket, Key: key, UploadId: id }
    await requests.request('sweeping', (client, sdk, ending) =>
      client.send(new sdk.AbortMultipartUploadCommand(input), { abortSignal: ending }),
    )
    removed += 1
  }
  return removed
}

async function* uploadsOf(requests: S3Requests, bucket: string, prefix: string): AsyncGenerator<Candidate> {
  let from: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
  while (from !== undefined) {
    const input = { Bucket: bucket, Prefix: prefix, ...from }
    const page: ListMultipartUploadsCommandOutput = await requests.request('sweeping', (client, sdk, ending) =>
      client.send(new sdk.ListMultipartUploadsCommand(input), { abortSignal: ending }),
    )
    yield* (page.Uploads ?? []).flatMap(candidateOf)
    from =
      page.IsTruncated && page.NextKeyMarker !== undefined
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker ?? '' }
        : undefined
  }
}

function candidateOf({ Key, UploadId, Initiated }: MultipartUpload): Candidate[] {
  return Key === undefined || UploadId === undefined || Initiated === undefined
    ? []
    : [{ key: Key, id: UploadId, begunMs: Initiated.getTime() }]
}

/** When the upload's newest part came; an upload that has just gone has none. */
async function lastPartMs(requests: S3Requests, bucket: string, key: string, id: string): Promise<number> {
  let newestMs = Number.NEGATIVE_INFINITY
  let marker: string | undefined
  do {
    const input = { Bucket: bucket, Key: key, UploadId: id, ...(marker !== undefined && { PartNumberMarker: marker }) }
    const page: ListPartsCommandOutput = await requests.request('sweeping', (client, sdk, ending) =>
      client.send(new sdk.ListPartsCommand(input), { abortSignal: ending }),
    )
    for (const { LastModified } of page.Parts ?? []) newestMs = Math.max(newestMs, LastModified?.getTime() ?? 0)
    marker = page.IsTruncated ? page.NextPartNumberMarker : undefined
  } while (marker !== undefined)
  return newestMs
}
