/** What a key of an asset is for: kinds of tracks. */
export const keyTracks = ['video', 'video-sd', 'video-hd', 'video-uhd', 'audio'] as const
/** One of them. */
export type KeyTracks = (typeof keyTracks)[number]

/** A key and what it is for; without `tracks`: for those that no other key is for. */
type MappedKey = { readonly contentKeyId: string; readonly tracks?: readonly KeyTracks[] | undefined }
type KeyedTrack = { readonly kind: string; readonly height?: number | undefined }

const MAX_SD_LINES = 576
const MAX_HD_LINES = 1_080

/** What a track is to keys, the closest first. A picture whose height isn't known counts as SD. */
export function keyTracksOf(track: KeyedTrack): KeyTracks[] {
  if (track.kind === 'audio') return ['audio']
  if (track.kind !== 'video') return []
  const { height = 0 } = track
  return [height <= MAX_SD_LINES ? 'video-sd' : height <= MAX_HD_LINES ? 'video-hd' : 'video-uhd', 'video']
}

/** The key of these, all of one kind, that a track is encrypted with; `undefined`: none is for it. Text is never encrypted. */
export function keyForTrack(keys: readonly MappedKey[], track: KeyedTrack): string | undefined {
  const wanted = keyTracksOf(track)
  if (wanted.length === 0) return undefined
  for (const one of wanted) {
    const found = keys.find(({ tracks }) => tracks?.includes(one))
    if (found) return found.contentKeyId
  }
  return keys.find(({ tracks }) => tracks === undefined)?.contentKeyId
}
