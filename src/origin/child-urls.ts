import { hash } from 'node:crypto'
import type { ManifestUris } from '../manifest/manifest-uris.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import { SPRITES } from './thumbnail-target.ts'

/** Raised whenever the packager makes other bytes of the same log. */
export const PACKAGER_VERSION = 2
/** Characters of base64url. */
export const DIGEST_LENGTH = 12

/** What tells an I-frame playlist's name from its rendition's. */
export const IFRAMES_SUFFIX = '-iframes'
/** Which players an MPD is for: `cmaf` for those that know of low latency, `csf` for any that know the live profile. */
export type MpdFlavour = 'cmaf' | 'csf'

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
    init: (track, periodMs) => {
      const period = periodMs === undefined ? '' : `.${periodMs}`
      return `${children}${encodeURIComponent(track.rendition)}/${track.track}${period}.init.mp4`
    },
    keyFrame: (track, startTicks) => `${children}${encodeURIComponent(track.rendition)}/${startTicks}.key.m4s`,
    segment: (track, startTicks) => `${children}${encodeURIComponent(track.rendition)}/${startTicks}.m4s`,
    part: (track, number) => `${children}${encodeURIComponent(track.rendition)}/${track.track}.${number}.m4s`,
    dashSegmentTemplate: (rendition) => `${children}${encodeURIComponent(rendition.name)}/$Time$.m4s`,
    dashNumberTemplate: (track, discontinuitySequence) =>
      `${children}${encodeURIComponent(track.rendition)}/${track.track}.d${discontinuitySequence}.$Number$.m4s`,
    utcTiming: `${{ alias: '../', ism: '../../', 'quality-level': '../../../', child: '../../../', rendition: '../../../../' }[place]}time`,
  }
}

/** Names a presentation and its epoch, for players that are in the middle of it. */
export function liveMark({ id, epoch }: PresentationHeader): string {
  return hash('sha256', JSON.stringify([id, epoch]), 'base64url').slice(0, DIGEST_LENGTH)
}

/**
 * Where a player of a live MPD finds the next one: at the same path under another query. Some players resolve all addresses of an MPD
 * against its `Location`, others against where they had it from (ISO/IEC 23009-1 §5.6.4 has it both ways): in one folder they agree.
 */
export function liveMpdUri(
  header: PresentationHeader,
  { rewind, text, selection = '' }: { readonly [name in 'rewind' | 'text' | 'selection']?: string | undefined },
): string {
  const query = [`live=${liveMark(header)}`, rewind && `rewind=${rewind}`, text && `text=${text}`, selection.slice(1)]
  return `?${query.filter((part) => part).join('&')}`
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
