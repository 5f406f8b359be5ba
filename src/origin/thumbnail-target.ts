import { AppError } from '../lib/errors.ts'

/** A picture of a presentation at a time, as it is asked for: `thumbnail(time=…,width=…)`. */
export type ThumbnailTarget = {
  readonly kind: 'thumbnail'
  /** Seconds from the beginning of what is kept, or an instant in milliseconds since the epoch. */
  readonly time: { readonly seconds: number } | { readonly wallMs: number }
  readonly width: number
}

/** What stands below the children's folder: sprites, and the track that says what is on them. */
export type ThumbnailChild = { readonly kind: 'sprite'; readonly sprite: number } | { readonly kind: 'thumbnail-track' }

/** The name of the folder of sprites, which no rendition has: theirs begin with a letter and have a number. */
export const SPRITES = 'thumbnails'
/** The track over them. */
export const THUMBNAIL_TRACK = 'thumbnails.vtt'

const USUAL_WIDTH = 320
const WIDTHS = { least: 16, most: 1_920 }
const SPRITE = /^(0|[1-9]\d{0,14})\.jpg$/

/** Reads the options of `thumbnail(…)`. @throws AppError `URL_INVALID` */
export function parseThumbnail(options: ReadonlyMap<string, string>): ThumbnailTarget {
  const width = Number(options.get('width') ?? USUAL_WIDTH)
  if (!Number.isInteger(width) || width < WIDTHS.least || width > WIDTHS.most) {
    throw invalid(`width is a whole number from ${WIDTHS.least} to ${WIDTHS.most}`)
  }
  return { kind: 'thumbnail', time: parseTime(options.get('time') ?? '0'), width }
}

/** A child of this name; `undefined` for what is none. */
export function parseThumbnailChild(first: string, second: string | undefined): ThumbnailChild | undefined {
  if (second === undefined) return first === THUMBNAIL_TRACK ? { kind: 'thumbnail-track' } : undefined
  const sprite = first === SPRITES ? SPRITE.exec(second)?.[1] : undefined
  return sprite === undefined ? undefined : { kind: 'sprite', sprite: Number(sprite) }
}

function parseTime(text: string): ThumbnailTarget['time'] {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return { seconds: Number(text) }
  const wallMs = /^\d{4}-\d\d-\d\dt\d\d:\d\d/i.test(text) ? Date.parse(text.toUpperCase()) : Number.NaN
  if (Number.isNaN(wallMs)) throw invalid('time is in seconds from the beginning, or an ISO 8601 date and time')
  return { wallMs }
}

function invalid(rule: string): AppError {
  return new AppError('URL_INVALID', `The URL is malformed: ${rule}.`)
}
