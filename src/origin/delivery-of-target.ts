import type { Protocol } from '../domain/delivery-policy.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import type { IsmTarget } from './ism-target.ts'
import type { Child, PublishedTarget } from './target.ts'
import type { TextChild } from './text-target.ts'

/**
 * In which way what a URL names is delivered: by the digest of a child URL, by `encryption=` of the AMS grammar, else by the policy. Every URL
 * under a locator passes here, so nothing is answered that its policy does not allow.
 * @throws AppError `DELIVERY_BLOCKED`, `URL_INVALID` where it is left open, `URL_UNKNOWN` for a digest of nothing that is delivered
 */
export function deliveryOf(deliveries: Deliveries, target: PublishedTarget): Delivery {
  if (target.kind === 'child') {
    const delivery = deliveries.ofDigest(target.digest, protocolsOf(target.child))
    return isPicture(target.child) ? deliveries.requirePictures(target.digest) : delivery
  }
  if (target.kind === 'ism') return ofIsm(deliveries, target.target)
  if (target.kind === 'download') return deliveries.requireClear('progressive')
  if (target.kind === 'thumbnail-track') return deliveries.requirePictures()
  return deliveries.choose(target.kind === 'master' ? 'hls' : 'dash', undefined, true)
}

function ofIsm(deliveries: Deliveries, target: IsmTarget): Delivery {
  if (target.kind === 'thumbnail') return deliveries.requirePictures()
  if (target.kind === 'smooth-fragment') return deliveries.choose('smooth', target.encryption)
  if (target.kind === 'manifest') return deliveries.choose(protocolOfFormat(target.format), target.encryption)
  if (target.kind === 'playlist' || target.transport) return deliveries.choose('hls', target.encryption)
  return deliveries.chooseFragment(target.encryption)
}

function protocolOfFormat(format: Extract<IsmTarget, { kind: 'manifest' }>['format']): Protocol {
  if (format === 'fmp4-v20') return 'smooth'
  return format.startsWith('m3u8') ? 'hls' : 'dash'
}

/**
 * The protocols that a child belongs to, of which the policy has to allow one; none: pictures, which have a rule of their own. Media is no part of a
 * download: where the policy has nothing else in the clear, there is none of it.
 */
function protocolsOf(child: Child): readonly Protocol[] {
  switch (child.kind) {
    case 'numbered':
      return DASH
    case 'playlist':
    case 'transport-playlist':
    case 'transport-segment':
      return HLS
    case 'init':
    case 'segment':
    case 'part':
    case 'key-frame':
      return HLS_AND_DASH
    case 'text':
      return isTransport(child) || child.part === 'playlist' ? HLS : HLS_AND_DASH
    case 'sprite':
    case 'thumbnail-track':
      return []
  }
}

const HLS: readonly Protocol[] = ['hls']
const DASH: readonly Protocol[] = ['dash']
const HLS_AND_DASH: readonly Protocol[] = ['hls', 'dash']

function isTransport(text: TextChild): boolean {
  return 'media' in text && text.media === 'transport'
}

function isPicture({ kind }: Child): boolean {
  return kind === 'sprite' || kind === 'thumbnail-track'
}
