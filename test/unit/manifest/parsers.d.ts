/** What the tests read of two parsers that bring no types. */
declare module 'm3u8-parser' {
  export type ParsedSegment = {
    readonly duration: number
    readonly uri: string
    readonly timeline: number
    readonly byterange?: { readonly length: number; readonly offset: number }
    readonly dateTimeString?: string
    readonly map?: { readonly uri: string }
  }
  export class Parser {
    push(text: string): void
    end(): void
    readonly manifest: {
      readonly segments: readonly ParsedSegment[]
      readonly mediaSequence: number
      readonly discontinuitySequence: number
      readonly targetDuration: number
      readonly version: number
      readonly endList?: boolean
      readonly playlistType?: string
      readonly iFramesOnly?: boolean
      readonly skip?: { readonly skippedSegments: number }
      readonly serverControl?: { readonly canSkipUntil?: number; readonly holdBack?: number }
      readonly independentSegments?: boolean
      readonly dateRanges: readonly Readonly<Record<string, unknown>>[]
      readonly playlists?: readonly { readonly uri: string; readonly attributes: Readonly<Record<string, unknown>> }[]
      readonly mediaGroups?: { readonly AUDIO: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
    }
  }
}

declare module 'mpd-parser' {
  export type ParsedPlaylist = {
    readonly attributes: Readonly<Record<string, unknown>>
    readonly segments: readonly {
      readonly uri: string
      readonly resolvedUri: string
      readonly duration: number
      readonly presentationTime: number
      readonly map: { readonly uri: string }
    }[]
  }
  export function parse(
    text: string,
    options: { readonly manifestUri: string; readonly NOW?: number },
  ): {
    readonly playlists: readonly ParsedPlaylist[]
    readonly mediaGroups: {
      readonly AUDIO: Readonly<
        Record<
          string,
          Readonly<Record<string, { readonly language?: string; readonly playlists: readonly ParsedPlaylist[] }>>
        >
      >
    }
    readonly eventStream?: readonly {
      readonly schemeIdUri: string
      readonly start: number
      readonly end?: number
      readonly id: string
      readonly messageData: unknown
      readonly contentEncoding?: string
      readonly presentationTimeOffset: number
    }[]
    readonly endList: boolean
    readonly duration: number
    readonly minimumUpdatePeriod?: number
  }
}
