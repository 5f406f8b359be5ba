import type { ManifestUris } from '../manifest/manifest-uris.ts'
import { packedForm } from '../packaging/packed-audio.ts'
import type { Rendition } from '../presentation/view.ts'
import { childrenOf, childUris, type ManifestPlace } from './child-urls.ts'

/** The playlists of transport streams: what `{list}.m3u8` under a rendition is. */
export const TRANSPORT_LISTS = ['v4', 'v4-iframes', 'v3'] as const

/** One of them. */
export type TransportList = (typeof TRANSPORT_LISTS)[number]

/** Between the names of a picture and of the audio that is in one stream with it. */
export const MUXED = '+'

/**
 * Children as a manifest of transport streams at `place` refers to them: `/{locatorId}/c/{digest}/{rendition}/v4.m3u8`,
 * `…/{startTicks}.ts`, `.iframe.ts`, `.aac`; with audio in it `…/{video}+{audio}/v3.m3u8`. `selection` is as for `childUris`.
 */
export function transportUris(
  place: ManifestPlace,
  digest: string,
  { list, muxed, selection = '' }: { list: TransportList; muxed?: Rendition | undefined; selection?: string },
): ManifestUris {
  const folderOf = (name: string, kind: Rendition['kind']) => {
    if (place === 'rendition') return ''
    const audio = kind === 'video' && list === 'v3' && muxed ? MUXED + encodeURIComponent(muxed.name) : ''
    return `${childrenOf(place, digest)}${encodeURIComponent(name)}${audio}/`
  }
  return {
    ...childUris(place, digest, selection),
    mediaPlaylist: ({ name, kind }) => `${folderOf(name, kind)}${list}.m3u8${selection}`,
    iframePlaylist: ({ name, kind }) => `${folderOf(name, kind)}v4-iframes.m3u8${selection}`,
    segment({ rendition, config }, startTicks) {
      const video = list === 'v4-iframes' ? 'iframe.ts' : 'ts'
      const extension = config.kind === 'video' ? video : packedForm(config).extension
      return `${folderOf(rendition, config.kind)}${startTicks}.${extension}`
    },
  }
}
