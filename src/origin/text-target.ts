import type { TextCodec } from '../media/text/text-init.ts'

/** What stands below the children's folder of a text, which is named by its id. Times are in 90 kHz. */
export type TextChild = { readonly kind: 'text'; readonly id: string } & (
  | { readonly part: 'playlist'; readonly media: 'fragments' | 'transport' }
  | { readonly part: 'segment'; readonly media: 'fragments' | 'transport'; readonly startTicks: number }
  | { readonly part: 'init'; readonly codec: TextCodec }
  | { readonly part: 'fragment'; readonly codec: TextCodec; readonly startTicks: number }
  | {
      readonly part: 'whole'
      readonly format: 'vtt' | 'ttml'
      readonly fromTicks: number
      readonly toTicks: number
    }
)

/** What a text's folder begins with; names of renditions have no point. */
export const TEXT_FOLDER = 'text.'

const FOLDER = /^text\.([\w-]{12})$/
const PLAYLIST = /^text\.([\w-]{12})\.m3u8$/
const TICKS = '(0|[1-9]\\d{0,15})'
const SEGMENT = new RegExp(`^${TICKS}\\.(ts\\.)?vtt$`)
const FRAGMENT = new RegExp(`^${TICKS}\\.(wvtt|stpp)\\.m4s$`)
const INIT = /^init\.(wvtt|stpp)\.mp4$/
const WHOLE = new RegExp(`^${TICKS}-${TICKS}\\.(vtt|ttml)$`)

/** A child of this name; `undefined` for what is none. */
export function parseTextChild(first: string, second: string | undefined): TextChild | undefined {
  if (second === undefined) {
    const id = PLAYLIST.exec(first)?.[1]
    return id === undefined ? undefined : { kind: 'text', id, part: 'playlist', media: 'fragments' }
  }
  const id = FOLDER.exec(first)?.[1]
  if (id === undefined) return undefined
  const named = { kind: 'text', id } as const
  if (second === 'v4.m3u8') return { ...named, part: 'playlist', media: 'transport' }
  const segment = SEGMENT.exec(second)
  if (segment) {
    return { ...named, part: 'segment', media: segment[2] ? 'transport' : 'fragments', startTicks: Number(segment[1]) }
  }
  const [, fragmentTicks, codec] = FRAGMENT.exec(second) ?? []
  if (codec !== undefined) {
    return { ...named, part: 'fragment', codec: codec as TextCodec, startTicks: Number(fragmentTicks) }
  }
  const initCodec = INIT.exec(second)?.[1]
  if (initCodec !== undefined) return { ...named, part: 'init', codec: initCodec as TextCodec }
  const [, from, to, format] = WHOLE.exec(second) ?? []
  if (format === undefined) return undefined
  return { ...named, part: 'whole', format: format as 'vtt' | 'ttml', fromTicks: Number(from), toTicks: Number(to) }
}
