import { hash } from 'node:crypto'
import type { ManifestUris } from '../manifest/manifest-uris.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import { SPRITES } from './thumbnail-target.ts'

/** Raised whenever the packager makes other bytes of the same log. */
const PACKAGER_VERSION = 1
const DIGEST_LENGTH = 12

/** What tells an I-frame playlist's name from its rendition's. */
export const IFRAMES_SUFFIX = '-iframes'
/** Which players an MPD is for: `cmaf` for those that know of low latency, `csf` for any that know the live profile. */
export type MpdFlavour = 'cmaf' | 'csf'

const LIVE_MPD = /^live(-audio)?(-csf)?\.mpd$/

/** Reads the name of an MPD that players of the live one go on with. */
export function parseLiveMpd(name: string): { readonly audioOnly: boolean; readonly flavour: MpdFlavour } | undefined {
  const found = LIVE_MPD.exec(name)
  return found ? { audioOnly: found[1] !== undefined, flavour: found[2] === undefined ? 'cmaf' : 'csf' } : undefined
}

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
    dashNumberTemplate: (track, discontinuitySequence) =>
      `${children}${encodeURIComponent(track.rendition)}/${track.track}.d${discontinuitySequence}.$Number$.m4s`,
    utcTiming: `${{ alias: '../', ism: '../../', 'quality-level': '../../../', child: '../../../', rendition: '../../../../' }[place]}time`,
  }
}

/** Where a player of a live MPD finds the next one, relative to the MPD at `place`. */
export function liveMpdUri(
  place: ManifestPlace,
  digest: string,
  { audioOnly, flavour }: { readonly audioOnly: boolean; readonly flavour: MpdFlavour },
  rewind: 'full' | undefined,
  selection = '',
): string {
  const query = [rewind === undefined ? '' : `rewind=${rewind}`, selection.slice(1)].filter((part) => part !== '')
  const name = `live${audioOnly ? '-audio' : ''}${flavour === 'csf' ? '-csf' : ''}.mpd`
  return `${childrenOf(place, digest)}${name}${query.length === 0 ? '' : `?${query.join('&')}`}`
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
