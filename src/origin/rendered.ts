import { hash } from 'node:crypto'

/** A body with the strong validator of just these bytes. */
export type EncodedBody = { readonly body: Uint8Array; readonly etag: string }

/** A manifest of one version, as it is and compressed. */
export type RenderedManifest = {
  identity(): EncodedBody | Promise<EncodedBody>
  /** Made at the first call, once for everybody; `undefined` where compressing is not worth it. */
  gzip(): EncodedBody | Promise<EncodedBody> | undefined
}

const ETAG_LENGTH = 22

/** What stands for some bytes, or for the digests of their pieces, in an `ETag`. */
export function digestOf(content: Uint8Array | string): string {
  return hash('sha256', content, 'base64url').slice(0, ETAG_LENGTH)
}
