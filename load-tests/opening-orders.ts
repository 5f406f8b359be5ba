/** What the process that opens the movie is told: to do it once. */
export type OpeningOrder = { readonly kind: 'open'; readonly file: string }

/** And what it answers. */
export type OpeningReply =
  | {
      readonly kind: 'opened'
      /** From a request for the manifest to the end of its answer, of a movie that nobody has touched, and again. */
      readonly coldMs: number
      readonly warmMs: number
      /** The longest that nobody else was served meanwhile, in CPU time. */
      readonly longestTurnMs: number
      readonly growthBytes: number
    }
  | { readonly kind: 'failed'; readonly message: string }
