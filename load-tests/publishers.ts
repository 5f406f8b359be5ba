import { Child } from './child.ts'

export type PublisherOrder = {
  readonly kind: 'publish'
  readonly host: string
  readonly port: number
  /** A stream each, in the application `live`. */
  readonly names: readonly string[]
  readonly file: string
}

/** How a stream goes. */
export type StreamReport = {
  /** The server has accepted it and reads it. */
  readonly isPublishing: boolean
  /** Media time sent. */
  readonly sentSeconds: number
  readonly sentBytes: number
  /** The longest that a message was sent after its time. */
  readonly latestMs: number
}

export type PublisherReply =
  | { readonly kind: 'publishing' }
  | { readonly kind: 'report'; readonly streams: readonly StreamReport[] }
  | { readonly kind: 'failed'; readonly message: string }

/** The encoders of a load test, in a process of their own whose cost is nobody's. */
export class Publishers {
  readonly #child: Child<PublisherOrder | { readonly kind: 'report' }, PublisherReply>

  constructor() {
    this.#child = new Child(new URL('./publisher-process.ts', import.meta.url))
  }

  /** Resolves when the server has accepted every stream. */
  async publish(order: Omit<PublisherOrder, 'kind'>): Promise<void> {
    await this.#child.ask({ kind: 'publish', ...order }, 'publishing')
  }

  async report(): Promise<readonly StreamReport[]> {
    return (await this.#child.ask({ kind: 'report' }, 'report')).streams
  }

  stop(): Promise<void> {
    return this.#child.stop()
  }
}
