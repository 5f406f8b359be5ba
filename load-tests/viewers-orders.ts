/** What the server of idle viewers is told. */
export type ViewersServerOrder = { readonly kind: 'serve' } | { readonly kind: 'weigh' }

/** And what it answers. */
export type ViewersServerReply =
  | { readonly kind: 'serving'; readonly port: number }
  /** After a garbage collection: its memory, its CPU time (also before that), and the connections that it holds. */
  | {
      readonly kind: 'weighed'
      readonly rssBytes: number
      readonly heapBytes: number
      readonly usedMicros: number
      readonly cpuMicros: number
      readonly connections: number
    }
  | { readonly kind: 'failed'; readonly message: string }

/** What the viewers are told: to open so many more connections, ask for this path once on each, and keep them. */
export type ViewersClientOrder = {
  readonly kind: 'open'
  readonly port: number
  readonly path: string
  readonly connections: number
}

/** And what they answer. */
export type ViewersClientReply =
  | { readonly kind: 'opened'; readonly open: number }
  | { readonly kind: 'failed'; readonly message: string }
