import { AppError } from '../lib/errors.ts'
import type { Skip } from '../manifest/hls-media.ts'

/**
 * What the query of a manifest's URL asks for; anything else in it (CMCD, directives that are not known) is ignored. What a playlist
 * waits for is read by `readReloadDirectives`.
 */
export type ManifestQuery = {
  /** `_HLS_skip=YES`, or `v2`, of date ranges too: a delta update of a media playlist (RFC 8216bis §6.2.5.1). */
  readonly skip: Skip
  /** `rewind=full`: a live MPD reaches back over the whole rewind window. */
  readonly rewind: 'full' | undefined
  /** `live=`: the presentation that a player of its live MPD goes on with. */
  readonly live: string | undefined
  /** `cue=out-in`: HLS with the tags of breaks from before EXT-X-DATERANGE (`EXT-X-CUE-OUT` and its kin). */
  readonly cues: boolean
}

/**
 * Reads the query of a request target.
 * @throws AppError `URL_INVALID` where it asks for what there is not
 */
export function readManifestQuery(requestTarget: string): ManifestQuery {
  const start = requestTarget.indexOf('?')
  if (start < 0) return { skip: false, rewind: undefined, live: undefined, cues: false }
  const query = new URLSearchParams(requestTarget.slice(start + 1).replace(/#.*$/, ''))
  const skip = query.get('_HLS_skip')
  const rewind = query.get('rewind') ?? undefined
  if (rewind !== undefined && rewind !== 'full') {
    throw new AppError('URL_INVALID', 'The URL is malformed: rewind is full, or left out.')
  }
  const cue = query.get('cue')
  if (cue !== null && cue !== 'out-in') {
    throw new AppError('URL_INVALID', 'The URL is malformed: cue is out-in, or left out.')
  }
  const live = query.get('live') ?? undefined
  return { skip: skip === 'v2' ? 'v2' : skip === 'YES', rewind, live, cues: cue !== null }
}
