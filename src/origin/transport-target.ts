import { TRANSPORT_LISTS, type TransportList } from './transport-uris.ts'

/** What stands under a rendition of a presentation as transport streams: `media` is its name, or `{video}+{audio}`. */
export type TransportChild =
  | { readonly kind: 'transport-playlist'; readonly media: string; readonly list: TransportList }
  | {
      readonly kind: 'transport-segment'
      readonly media: string
      /** In the timescale of the first track that is named. */
      readonly startTicks: number
      readonly extension: string
    }

const PLAYLIST = /^(.+)\.m3u8$/
const SEGMENT = /^(0|[1-9]\d{0,15})\.(ts|iframe\.ts|aac|ac3|eac3|mp3)$/

/** Reads the last part of such an address; `undefined`: it is none. */
export function parseTransportChild(media: string, file: string): TransportChild | undefined {
  const named = PLAYLIST.exec(file)?.[1]
  const list = TRANSPORT_LISTS.find((known) => known === named)
  if (list) return { kind: 'transport-playlist', media, list }
  const [, digits, extension] = SEGMENT.exec(file) ?? []
  const startTicks = Number(digits)
  if (extension === undefined || !Number.isSafeInteger(startTicks)) return undefined
  return { kind: 'transport-segment', media, startTicks, extension }
}
