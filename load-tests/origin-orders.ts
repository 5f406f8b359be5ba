/** What a server under load is told. */
export type ServerOrder =
  | {
      readonly kind: 'serve'
      readonly file: string
      readonly mp4: string
      readonly folder: string
      readonly cacheBytes: number | undefined
    }
  | { readonly kind: 'cpu' }

/** And what it answers. */
export type ServerReply =
  | { readonly kind: 'serving'; readonly port: number }
  /** CPU time of the process so far, all threads, user and system. */
  | { readonly kind: 'cpu'; readonly micros: number }
  | { readonly kind: 'failed'; readonly message: string }

/** What a client is told: to ask for these paths, one after the other, on so many connections. */
export type ClientOrder = {
  readonly kind: 'load'
  readonly port: number
  readonly paths: readonly string[]
  readonly connections: number
  readonly seconds: number
}

/** What a client has seen. */
export type ClientReply =
  | {
      readonly kind: 'loaded'
      readonly requests: number
      readonly bytes: number
      readonly seconds: number
      /** Milliseconds from the request to the first byte of its answer. */
      readonly ttfbP50: number
      readonly ttfbP99: number
    }
  | { readonly kind: 'failed'; readonly message: string }

/** Answers orders over the channel to the parent; ends with it. */
export function obey<Order, Reply extends object>(
  carryOut: (order: Order) => Promise<Reply>,
  failed: (message: string) => Reply,
): void {
  process.once('disconnect', () => process.exit(0))
  process.on('message', (order: Order) => {
    carryOut(order).then(
      (reply) => process.send?.(reply),
      (error: unknown) => process.send?.(failed(String(error instanceof Error ? error.stack : error))),
    )
  })
}

/** CPU time of this process so far. */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
