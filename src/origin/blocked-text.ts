import type { Turns } from '../lib/turns.ts'
import type { BlockStamp, MediaPlaylist } from '../manifest/hls-media.ts'
import { compressPiece, decompress, joinPieces, type TextPiece } from './gzip-pieces.ts'
import { digestOf, type RenderedManifest } from './rendered.ts'

/** Rendered in one turn of the event loop: some milliseconds. */
const BLOCKS_PER_TURN = 8
/** What a block costs beside its compressed text, about. */
const BLOCK_BYTES = 400

/** `stableVersion` changes whenever more than the playlist's edge may, `version` whenever anything may. */
type Opened = { readonly version: number; readonly stableVersion: number; readonly playlist: MediaPlaylist }

/** What a text is made by. */
export type BlockedTextPorts = {
  /** Reads the playlist as it is at the moment. */
  open(): Opened
  /** Is told how many bytes more or less are held. */
  onSize(changeBytes: number): void
  /** Shared with the other texts, so that many of them together keep nobody waiting longer than one does. */
  readonly turns: Turns
}

/** What stands before and behind the blocks, up to the edge. */
type Ends = { readonly stableVersion: number; readonly front: TextPiece; readonly tail: TextPiece }
type Block = { readonly stamp: BlockStamp; readonly piece: TextPiece }
/** `version` is there from the moment at which it is put together: until then it will be of the latest there is. */
type Making = { version: number | undefined; readonly manifest: Promise<RenderedManifest> }

/**
 * A long playlist from version to version. Each block of it is rendered and compressed once, a few in a turn of the event
 * loop, and only compressed blocks are kept: a new version costs its beginning, its end, and one copy of what is compressed.
 */
export class BlockedText {
  readonly #ports: BlockedTextPorts
  readonly #blocks = new Map<number, Block>()
  #ends: Ends | undefined
  #making: Making | undefined
  #latest: { readonly version: number; readonly manifest: RenderedManifest; readonly sizeBytes: number } | undefined

  constructor(ports: BlockedTextPorts) {
    this.#ports = ports
  }

  /** The playlist in a version no older than `version`, which is the view's at the moment. */
  get(version: number): RenderedManifest | Promise<RenderedManifest> {
    if (this.#latest?.version === version) return this.#latest.manifest
    if (this.#making && (this.#making.version ?? version) === version) return this.#making.manifest
    const { promise, resolve, reject } = Promise.withResolvers<RenderedManifest>()
    const making: Making = { version: undefined, manifest: promise }
    this.#making = making
    this.#make(making).then(resolve, reject)
    return promise
  }

  async #make(making: Making): Promise<RenderedManifest> {
    try {
      for (;;) {
        const manifest = await this.#ports.turns.run(() => this.#go(making))
        if (manifest) return manifest
      }
    } finally {
      if (this.#making === making) this.#making = undefined
    }
  }

  /** Renders some of what is missing in the playlist as it is now; where nothing is, puts it together. */
  async #go(making: Making): Promise<RenderedManifest | undefined> {
    const opened = this.#ports.open()
    const { version, playlist } = opened
    const missing = this.#missing(playlist)
    if (missing.length === 0) {
      making.version = version
      return this.#assemble(opened)
    }
    await Promise.all(missing.map((block) => this.#render(playlist, block)))
    return undefined
  }

  #missing(playlist: MediaPlaylist): readonly number[] {
    const missing: number[] = []
    for (let block = playlist.firstBlock; block < playlist.endBlock; block++) {
      if (missing.length === BLOCKS_PER_TURN) break
      if (!isCurrent(this.#blocks.get(block), playlist.stamp(block))) missing.push(block)
    }
    return missing
  }

  async #render(playlist: MediaPlaylist, block: number): Promise<void> {
    const stamp = playlist.stamp(block)
    const piece = await compressPiece(playlist.block(block))
    this.#forget(block)
    this.#blocks.set(block, { stamp, piece })
    this.#ports.onSize(piece.deflated.byteLength + BLOCK_BYTES)
  }

  async #assemble({ version, stableVersion, playlist }: Opened): Promise<RenderedManifest> {
    const { firstBlock, endBlock } = playlist
    for (const block of this.#blocks.keys()) if (block < firstBlock || block >= endBlock) this.#forget(block)
    const blocks = [...this.#blocks].sort(([a], [b]) => a - b).map(([, { piece }]) => piece)
    const edgeText = playlist.edge()
    const [{ front, tail }, ...edge] = await Promise.all([
      this.#endsOf(stableVersion, playlist),
      ...(edgeText === '' ? [] : [compressPiece(edgeText)]),
    ])
    const { manifest, sizeBytes } = manifestOf([front, ...blocks, tail, ...edge])
    const before = this.#latest
    if (before && before.version > version) return manifest
    this.#latest = { version, manifest, sizeBytes }
    this.#ports.onSize(sizeBytes - (before?.sizeBytes ?? 0))
    return manifest
  }

  /** Rendered anew only when they may have changed. Text is read before anything is waited for: the view goes on. */
  async #endsOf(stableVersion: number, playlist: MediaPlaylist): Promise<Ends> {
    const known = this.#ends
    if (known?.stableVersion === stableVersion) return known
    const [front, tail] = await Promise.all([compressPiece(playlist.front()), compressPiece(playlist.tail())])
    const ends: Ends = { stableVersion, front, tail }
    if (!this.#ends || this.#ends.stableVersion <= stableVersion) {
      this.#ports.onSize(sizeOf(ends) - (this.#ends ? sizeOf(this.#ends) : 0))
      this.#ends = ends
    }
    return ends
  }

  #forget(block: number): void {
    const known = this.#blocks.get(block)
    if (!known) return
    this.#blocks.delete(block)
    this.#ports.onSize(-known.piece.deflated.byteLength - BLOCK_BYTES)
  }
}

function sizeOf({ front, tail }: Ends): number {
  return front.deflated.byteLength + tail.deflated.byteLength
}

function isCurrent(block: Block | undefined, { media, track, wasGap, markerChanges }: BlockStamp): boolean {
  if (block?.stamp.media !== media || block.stamp.markerChanges !== markerChanges) return false
  return block.stamp.track === track && block.stamp.wasGap === wasGap
}

/** Who takes no gzip gets a text that is decompressed for those who ask for it at the moment: it is too large to be kept. */
function manifestOf(pieces: readonly TextPiece[]): { manifest: RenderedManifest; sizeBytes: number } {
  const digest = digestOf(pieces.map((piece) => piece.digest).join())
  const zipped = { body: joinPieces(pieces), etag: `"${digest}-gzip"` }
  let text: Promise<Uint8Array> | undefined
  const manifest: RenderedManifest = {
    gzip: () => zipped,
    identity: async () => {
      text ??= decompress(zipped.body).finally(() => {
        text = undefined
      })
      return { body: await text, etag: `"${digest}"` }
    },
  }
  return { manifest, sizeBytes: zipped.body.byteLength }
}
