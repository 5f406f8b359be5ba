import { hash } from 'node:crypto'
import type { ManifestUris } from '../manifest/manifest-uris.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import { SPRITES } from './thumbnail-target.ts'

/** Raised whenever the packager makes other bytes of the same log. */
const PACKAGER_VERSION = 1
const DIGEST_LENGTH = 12

/** What tells an I-frame playlist's name from its rendition's. */
export const IFRAMES_SUFFIX = '-iframes'
export const LIVE_MPD = 'live.mpd'
export const LIVE_AUDIO_MPD = 'live-audio.mpd'

/** How deep below `/{locatorId}/` a manifest stands: what its relative references have to climb. */
export type ManifestPlace = 'alias' | 'ism' | 'quality-level' | 'child' | 'rendition'

/**
 * Names all that shapes the bytes of a presentation's children, so that one URL never has two contents: the
 * presentation, its epoch, the packager and the protection.
 */
export function contentDigest(header: PresentationHeader): string {
  const shape = JSON.stringify([header.id, header.epoch, PACKAGER_VERSION, 'clear'])
  return hash('sha256', shape, 'base64url').slice(0, DIGEST_LENGTH)
}

/**
 * Children as a manifest at `place` refers to them:
 * `/{locatorId}/c/{digest}/{rendition}.m3u8`, `…/{rendition}/{track}.init.mp4`, `…/{rendition}/{startTicks}.m4s`. `selection`: the query
 * of what the manifest shows, which its playlists show too.
 */
export function childUris(place: ManifestPlace, digest: string, selection = ''): ManifestUris {
  const children = childrenOf(place, digest)
  return {
    mediaPlaylist: (rendition) => `${children}${encodeURIComponent(rendition.name)}.m3u8${selection}`,
    iframePlaylist: (rendition) => `${children}${encodeURIComponent(rendition.name)}${IFRAMES_SUFFIX}.m3u8${selection}`,
    init: (track) => `${children}${encodeURIComponent(track.rendition)}/${track.track}.init.mp4`,
    segment: (track, startTicks) => `${children}${encodeURIComponent(track.rendition)}/${startTicks}.m4s`,
    part: (track, number) => `${children}${encodeURIComponent(track.rendition)}/${track.track}.${number}.m4s`,
    dashSegmentTemplate: (rendition) => `${children}${encodeURIComponent(rendition.name)}/$Time$.m4s`,
    utcTiming: `${{ alias: '../', ism: '../../', 'quality-level': '../../../', child: '../../../', rendition: '../../../../' }[place]}time`,
  }
}

/** Where a player of a live MPD finds the next one, relative to the MPD at `place`. */
export function liveMpdUri(
  place: ManifestPlace,
  digest: string,
  audioOnly: boolean,
  rewind: 'full' | undefined,
  selection = '',
): string {
  const query = [rewind === undefined ? '' : `rewind=${rewind}`, selection.slice(1)].filter((part) => part !== '')
  return `${childrenOf(place, digest)}${audioOnly ? LIVE_AUDIO_MPD : LIVE_MPD}${query.length === 0 ? '' : `?${query.join('&')}`}`
}

/** Sprites of thumbnails, with `$Number$`. */
export function spriteTemplate(place: ManifestPlace, digest: string): string {
  return `${childrenOf(place, digest)}${SPRITES}/$Number$.jpg`
}

/** Where a presentation's children stand, relative to a manifest at `place`. */
export function childrenOf(place: ManifestPlace, digest: string): string {
  if (place === 'child') return ''
  if (place === 'rendition') return '../'
  return `${{ alias: '', ism: '../', 'quality-level': '../../' }[place]}c/${digest}/`
}
