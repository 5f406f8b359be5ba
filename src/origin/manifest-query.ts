import { AppError } from '../lib/errors.ts'

/** What the query of a manifest's URL asks for; anything else in it (CMCD, directives that are not served) is ignored. */
export type ManifestQuery = {
  /** `_HLS_skip=YES`, or `v2`: a delta update of a media playlist (RFC 8216bis §6.2.5.1). */
  readonly skip: boolean
  /** `rewind=full`: a live MPD reaches back over the whole rewind window. */
  readonly rewind: 'full' | undefined
}

/**
 * Reads the query of a request target.
 * @throws AppError `URL_INVALID` where it asks for what there is not
 */
export function readManifestQuery(requestTarget: string): ManifestQuery {
  const start = requestTarget.indexOf('?')
  if (start < 0) return { skip: false, rewind: undefined }
  const query = new URLSearchParams(requestTarget.slice(start + 1).replace(/#.*$/, ''))
  const skip = query.get('_HLS_skip')
  const rewind = query.get('rewind') ?? undefined
  if (rewind !== undefined && rewind !== 'full') {
    throw new AppError('URL_INVALID', 'The URL is malformed: rewind is full, or left out.')
  }
  // There are no date ranges that v2 could skip as well.
  return { skip: skip === 'YES' || skip === 'v2', rewind }
}
