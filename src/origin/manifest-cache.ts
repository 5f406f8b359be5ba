import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Turns } from '../lib/turns.ts'
import type { MediaPlaylist } from '../manifest/hls-media.ts'
import type { PresentationView } from '../presentation/view.ts'
import { BlockedText } from './blocked-text.ts'
import { digestOf, type EncodedBody, type RenderedManifest } from './rendered.ts'

/** gzip of a whole body. */
export type Compress = (body: Uint8Array) => Promise<Uint8Array>

type Entry = { sizeBytes: number } & (
  | { readonly version: number; readonly manifest: RenderedManifest }
  | { readonly version: 'any'; readonly text: BlockedText }
)

const SMALLEST_COMPRESSED = 200
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
  /** Two, so that one renders while the other's blocks are compressed. */
  readonly #turns = new Turns(2)
  #lastSerial = 0
  #sizeBytes = 0

  constructor(budgetBytes: number, compress: Compress = promisify(gzip)) {
    this.#budgetBytes = budgetBytes
    this.#compress = compress
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Whether the manifest called `kind` is there for the presentation as it is now. */
  has(view: PresentationView, kind: string, version = view.version): boolean {
    return this.#entries.get(this.#keyOf(view, kind))?.version === version
  }

  /**
   * The manifest called `kind` of the presentation as it is now; `build` renders it where it is not there yet. `version` changes
   * whenever the manifest may.
   */
  get(view: PresentationView, kind: string, build: () => string, version = view.version): RenderedManifest {
    const key = this.#keyOf(view, kind)
    const known = this.#entries.get(key)
    if (known?.version === version) {
      this.#renew(key, known)
      return known.manifest
    }
    if (known) this.#remove(key, known)
    const body = Buffer.from(build())
    const entry: Entry = {
      version,
      manifest: this.#render(body, (gzipBytes) => this.#grow(key, entry, gzipBytes)),
      sizeBytes: 0,
    }
    this.#entries.set(key, entry)
    this.#grow(key, entry, body.byteLength + ENTRY_BYTES)
    return entry.manifest
  }

  /**
   * The same of a playlist that is too long to be rendered at once, or changes too often; `open` reads it as it is whenever it is called.
   */
  blocked(
    view: PresentationView,
    kind: string,
    open: () => MediaPlaylist,
    version = () => view.version,
  ): RenderedManifest | Promise<RenderedManifest> {
    const key = this.#keyOf(view, kind)
    const known = this.#entries.get(key)
    if (known?.version === 'any') {
      this.#renew(key, known)
      return known.text.get(version())
    }
    const text = new BlockedText({
      open: () => ({ version: version(), stableVersion: view.version, playlist: open() }),
      onSize: (changeBytes) => this.#grow(key, entry, changeBytes),
      turns: this.#turns,
    })
    const entry: Entry = { version: 'any', text, sizeBytes: 0 }
    if (known) this.#remove(key, known)
    this.#entries.set(key, entry)
    this.#grow(key, entry, ENTRY_BYTES)
    return text.get(version())
  }

  #render(body: Uint8Array, onCompressed: (sizeBytes: number) => void): RenderedManifest {
    const digest = digestOf(body)
    const identity = { body, etag: `"${digest}"` }
    let compressed: Promise<EncodedBody> | undefined
    return {
      identity: () => identity,
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

  #renew(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  #grow(key: string, entry: Entry, changeBytes: number): void {
    if (this.#entries.get(key) !== entry) return
    entry.sizeBytes += changeBytes
    this.#sizeBytes += changeBytes
    for (const [oldestKey, oldest] of this.#entries) {
      if (this.#sizeBytes <= this.#budgetBytes) return
      this.#remove(oldestKey, oldest)
    }
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#sizeBytes -= entry.sizeBytes
  }

  #keyOf(view: PresentationView, kind: string): string {
    const serial = this.#serials.get(view) ?? ++this.#lastSerial
    this.#serials.set(view, serial)
    return `${serial} ${kind}`
  }
}
