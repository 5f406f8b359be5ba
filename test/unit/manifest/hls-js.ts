import { BasePlaylistController, type LevelDetails, M3U8Parser, PlaylistLevelType } from 'hls.js'

/** What hls.js believes of a segment. */
export type HlsJsSegment = {
  readonly sn: number
  readonly cc: number
  readonly url: string
  readonly gap: boolean
  readonly init: string | undefined
  readonly duration: number
  readonly dateMs: number | null
}

/** A live playlist as hls.js keeps it from one reload to the next. */
export type HlsJsPlaylist = {
  readonly segments: readonly HlsJsSegment[]
  readonly isLive: boolean
  /** hls.js asks for a delta update next. */
  readonly asksToSkip: boolean
  /** The delta update was of no use to it. */
  readonly failed: boolean
  readonly details: LevelDetails
}

type Controller = {
  playlistLoaded(index: number, data: object, previous: LevelDetails | undefined): void
  getDeliveryDirectives: unknown
  scheduleLoading(level: object, directives?: { readonly skip?: string }): void
}

/** hls.js's own parser and merging, without a player around them. */
export function loadInHlsJs(text: string, previous: HlsJsPlaylist | undefined): HlsJsPlaylist {
  const url = 'http://h/live/video.m3u8'
  const details = M3U8Parser.parseLevelPlaylist(text, url, 0, PlaylistLevelType.MAIN, 0, null)
  if (details.playlistParsingError) throw details.playlistParsingError
  const errors: string[] = []
  let skip: string | undefined
  const prototype = BasePlaylistController.prototype as unknown as Controller
  const controller = {
    hls: {
      config: { liveMaxUnchangedPlaylistRefresh: Number.POSITIVE_INFINITY },
      mainForwardBufferInfo: null,
      trigger: () => true,
    },
    canLoad: true,
    log: () => undefined,
    warn: (words: unknown) => errors.push(String(words)),
    clearTimer: () => undefined,
    getDeliveryDirectives: prototype.getDeliveryDirectives,
    scheduleLoading: (_level: object, directives?: { readonly skip?: string }) => {
      skip = directives?.skip
    },
  }
  const stats = { loading: { first: performance.now(), start: performance.now() } }
  const data = { details, stats, level: 0, levelInfo: {}, deliveryDirectives: null, networkDetails: null }
  prototype.playlistLoaded.call(controller, 0, data, previous?.details)
  const failed = details.deltaUpdateFailed === true
  if (errors.length > 0 && !failed) throw new Error(errors.join('; '))
  return {
    segments: details.fragments.map(segmentOf),
    isLive: details.live,
    asksToSkip: skip === 'YES',
    failed,
    details,
  }
}

function segmentOf({
  sn,
  cc,
  url,
  gap,
  initSegment,
  duration,
  programDateTime,
}: LevelDetails['fragments'][number]): HlsJsSegment {
  return { sn, cc, url, gap: gap === true, init: initSegment?.url, duration, dateMs: programDateTime }
}
