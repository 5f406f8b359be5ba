import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { PresentationView } from '../presentation/view.ts'

/** A body with the strong validator of just these bytes. */
export type EncodedBody = { readonly body: Uint8Array; readonly etag: string }

/** A manifest of one version, as it is and compressed. */
export type RenderedManifest = {
  readonly identity: EncodedBody
  /** Made at the first call, once for everybody; `undefined` where compressing is not worth it. */
  gzip(): Promise<EncodedBody> | undefined
}

/** gzip of a whole body. */
export type Compress = (body: Uint8Array) => Promise<Uint8Array>

type Entry = { readonly version: number; readonly manifest: RenderedManifest; sizeBytes: number }

const SMALLEST_COMPRESSED = 200
const ETAG_LENGTH = 22
/** What an entry costs beside its bodies, about. */
const ENTRY_BYTES = 512

/**
 * Manifests rendered once per presentation, kind and version, however many ask for them. The latest version of each is kept;
 * past the budget, what was not asked for longest goes.
 */
export class ManifestCache {
  readonly #budgetBytes: number
  readonly #compress: Compress
  readonly #entries = new Map<string, Entry>()
  /** Two copies of a presentation are told apart here, because their versions need not agree. */
  readonly #serials = new WeakMap<PresentationView, number>()
  #lastSerial = 0
  #sizeBytes = 0

  constructor(budgetBytes: number, compress: Compress = promisify(gzip)) {
    this.#budgetBytes = budgetBytes
    this.#compress = compress
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The manifest called `kind` of the presentation as it is now; `build` renders it where it is not there yet. */
  get(view: PresentationView, kind: string, build: () => string): RenderedManifest {
    const key = `${this.#serialOf(view)} ${kind}`
    const known = this.#entries.get(key)
    if (known?.version === view.version) {
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known.manifest
    }
    if (known) this.#remove(key, known)
    const body = Buffer.from(build())
    const entry: Entry = {
      version: view.version,
      manifest: this.#render(body, (gzipBytes) => this.#grow(key, entry, gzipBytes)),
      sizeBytes: 0,
    }
    this.#entries.set(key, entry)
    this.#grow(key, entry, body.byteLength + ENTRY_BYTES)
    return entry.manifest
  }

  #render(body: Uint8Array, onCompressed: (sizeBytes: number) => void): RenderedManifest {
    const digest = hash('sha256', body, 'base64url').slice(0, ETAG_LENGTH)
    let compressed: Promise<EncodedBody> | undefined
    return {
      identity: { body, etag: `"${digest}"` },
      gzip: () => {
        if (body.byteLength < SMALLEST_COMPRESSED) return undefined
        compressed ??= this.#compress(body).then((gzipped) => {
          onCompressed(gzipped.byteLength)
          return { body: gzipped, etag: `"${digest}-gzip"` }
        })
        return compressed
      },
    }
  }

  #grow(key: string, entry: Entry, sizeBytes: number): void {
    if (this.#entries.get(key) !== entry) return
    entry.sizeBytes += sizeBytes
    this.#sizeBytes += sizeBytes
    for (const [oldestKey, oldest] of this.#entries) {
      if (this.#sizeBytes <= this.#budgetBytes) return
      this.#remove(oldestKey, oldest)
    }
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#sizeBytes -= entry.sizeBytes
  }

  #serialOf(view: PresentationView): number {
    const known = this.#serials.get(view)
    if (known !== undefined) return known
    this.#serials.set(view, ++this.#lastSerial)
    return this.#lastSerial
  }
}
