import { AppError } from '../lib/errors.ts'
import type { PresentationView, Rendition } from '../presentation/view.ts'

/** What of a presentation is asked for as a file: a rendition, or the manifest's name for pictures and sound together. */
export type DownloadName = {
  /** Of a rendition or of the manifest, without `.mp4`. */
  readonly name: string
  /** Renditions for the file of both, where not the best picture and the first sound. */
  readonly video?: string
  readonly audio?: string
}

/**
 * The renditions that the file is made of, pictures first.
 * @throws AppError `URL_UNKNOWN` for names that the presentation doesn't have; `URL_INVALID` for a choice within one rendition
 */
export function chooseRenditions(
  view: PresentationView,
  manifestName: string,
  { name, video, audio }: DownloadName,
): readonly Rendition[] {
  const { renditions } = view
  const single = renditions.find((rendition) => rendition.name === name)
  if (single) {
    if (video === undefined && audio === undefined) return [single]
    throw new AppError(
      'URL_INVALID',
      `${name}.mp4 is one rendition: video and audio are chosen in ${manifestName}.mp4.`,
    )
  }
  if (name.toLowerCase() !== manifestName.toLowerCase()) {
    throw new AppError('URL_UNKNOWN', 'The locator publishes no file of this name.')
  }
  const pictures = video === undefined ? best(renditions) : named(renditions, 'video', video)
  const sound =
    audio === undefined ? renditions.find(({ kind }) => kind === 'audio') : named(renditions, 'audio', audio)
  return [pictures, sound].filter((rendition) => rendition !== undefined)
}

function named(renditions: readonly Rendition[], kind: Rendition['kind'], name: string): Rendition {
  const found = renditions.find((rendition) => rendition.kind === kind && rendition.name === name)
  if (found) return found
  const names = renditions.filter((rendition) => rendition.kind === kind).map((rendition) => rendition.name)
  const there = names.length > 0 ? `there are ${names.join(', ')}` : 'it has none'
  throw new AppError('URL_UNKNOWN', `The recording has no ${kind} '${name.slice(0, 64)}': ${there}.`)
}

/** The video with the highest bitrate. */
function best(renditions: readonly Rendition[]): Rendition | undefined {
  const rate = ({ tracks }: Rendition) => tracks.at(-1)?.nominalBitrate ?? 0
  return renditions
    .filter(({ kind }) => kind === 'video')
    .reduce<Rendition | undefined>((most, next) => (most && rate(most) >= rate(next) ? most : next), undefined)
}
