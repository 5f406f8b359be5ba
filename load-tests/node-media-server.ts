import { rmSync } from 'node:fs'
import { temporaryFolder } from '../test/support/headend.ts'
import { Child } from './child.ts'

export type PeerOrder = { readonly kind: 'start'; readonly storePath: string } | { readonly kind: 'received' }

export type PeerReply =
  | { readonly kind: 'listening'; readonly port: number }
  /** What has come in on each published stream. */
  | { readonly kind: 'received'; readonly bytes: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string }

/** The server that Headend's ingest is compared with. */
export class NodeMediaServerPeer {
  readonly #child: Child<PeerOrder, PeerReply>
  readonly #folder = temporaryFolder()

  constructor() {
    this.#child = new Child(new URL('./node-media-server-process.ts', import.meta.url))
  }

  get pid(): number {
    return this.#child.pid
  }

  /** Resolves with the port it listens on. */
  async start(): Promise<number> {
    return (await this.#child.ask({ kind: 'start', storePath: this.#folder }, 'listening')).port
  }

  /** Bytes received by stream, for each that was accepted. */
  async received(): Promise<readonly number[]> {
    return (await this.#child.ask({ kind: 'received' }, 'received')).bytes
  }

  async stop(): Promise<void> {
    await this.#child.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
