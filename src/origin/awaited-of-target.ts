import type { PresentationView, Rendition } from '../presentation/view.ts'
import type { Awaited } from './blocking-reload.ts'
import type { IsmTarget } from './ism-target.ts'
import { awaitedFragment } from './smooth-fragments.ts'
import type { PublishedTarget } from './target.ts'

/** What of a target players at the live edge wait for. */
export function awaitedOf(view: PresentationView, target: PublishedTarget): Awaited | undefined {
  const { renditions, live, archived } = view
  if (target.kind === 'ism' && target.target.kind === 'smooth-fragment') {
    return archived ? undefined : awaitedFragment(view, target.target)
  }
  if (!live) return undefined
  if (target.kind === 'ism' && target.target.kind === 'playlist' && !isWithoutParts(target.target)) {
    const level = target.target
    const rendition = renditions.find((candidate) => isQualityLevel(candidate, level))
    return rendition && { kind: 'playlist', rendition }
  }
  if (target.kind !== 'child') return undefined
  const { child } = target
  if (child.kind !== 'playlist' && child.kind !== 'part' && child.kind !== 'numbered') return undefined
  const rendition = renditions.find(({ name }) => name === (child.kind === 'playlist' ? child.name : child.rendition))
  return rendition && { ...child, rendition }
}

function isWithoutParts({ keyFramesOnly, transport }: Extract<IsmTarget, { kind: 'playlist' }>): boolean {
  return keyFramesOnly || transport !== undefined
}

/** AMS names a track by its kind; here a rendition's own name will do as well. */
export function isQualityLevel(
  { name, kind, tracks }: Rendition,
  { track, bitrate }: { readonly track: string; readonly bitrate: number },
): boolean {
  const wanted = track.toLowerCase()
  const isNamed = wanted === kind || wanted === name.toLowerCase()
  return isNamed && tracks.some(({ nominalBitrate }) => nominalBitrate === bitrate)
}
