import type { TextUris } from '../manifest/text-uris.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import { childrenOf, type ManifestPlace } from './child-urls.ts'
import { TEXT_FOLDER } from './text-target.ts'

/**
 * Texts as a manifest at `place` refers to them: `/{locatorId}/c/{digest}/text.{id}.m3u8`, `…/text.{id}/{startTicks}.vtt`,
 * `…/init.wvtt.mp4`, `…/{startTicks}.wvtt.m4s`, `…/{fromTicks}-{toTicks}.vtt`; beside transport streams `…/v4.m3u8` and
 * `…/{startTicks}.ts.vtt`. `selection`: the query of what the manifest shows.
 */
export function textUris(
  place: ManifestPlace,
  digest: string,
  media: 'fragments' | 'transport' = 'fragments',
  selection = '',
): TextUris {
  const folderOf = ({ id }: TextRendition) =>
    place === 'rendition' ? '' : `${childrenOf(place, digest)}${TEXT_FOLDER}${id}/`
  return {
    playlist: (text) =>
      media === 'transport'
        ? `${folderOf(text)}v4.m3u8${selection}`
        : `${childrenOf(place, digest)}${TEXT_FOLDER}${text.id}.m3u8${selection}`,
    segment: (text, startTicks) => `${folderOf(text)}${startTicks}${media === 'transport' ? '.ts' : ''}.vtt`,
    init: (text, codec) => `${folderOf(text)}init.${codec}.mp4`,
    dashSegmentTemplate: (text, codec) => `${folderOf(text)}$Time$.${codec}.m4s`,
    whole: (text, format, fromTicks, toTicks) => `${folderOf(text)}${fromTicks}-${toTicks}.${format}`,
  }
}
