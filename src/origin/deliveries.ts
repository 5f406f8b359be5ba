import { hash } from 'node:crypto'
import type { DeliveryPolicy, Protection, Protocol } from '../domain/delivery-policy.ts'
import type { DeliveryKey, DeliveryTerms } from '../domain/delivery-terms.ts'
import { AppError } from '../lib/errors.ts'
import type { PresentationHeader } from '../presentation/records.ts'
import { type IvBase, sampleIvBase } from '../protection/cenc/track-protection.ts'
import { contentDigest, DIGEST_LENGTH, PACKAGER_VERSION } from './child-urls.ts'

/** How media is protected that is not in the clear. */
export type Scheme = Exclude<Protection, 'clear'>

/**
 * A way in which a presentation is delivered. `digest` stands in its child URLs (`/c/{digest}/…`) and names all that shapes their bytes: the
 * presentation, and of what is protected the scheme, the keys, the systems that are signalled and the rotation period.
 */
export type Delivery = {
  readonly digest: string
  /** The protocols that may be asked for it. */
  readonly protocols: readonly Protocol[]
} & (
  | { readonly protection: 'clear' }
  | {
      readonly protection: Scheme
      /** Of the scheme's kind, in the asset's order; never empty. */
      readonly keys: readonly DeliveryKey[]
      readonly licenceUrls: DeliveryPolicy['licenceUrls']
      /** What those may name beside the key. */
      readonly licenceValues?: DeliveryTerms['licenceValues']
      /** What the IVs of its samples are counted from, where each has its own (`cenc`). */
      readonly ivBase: IvBase
      /** Of those of its keys that rotate. */
      readonly rotationPeriodMs?: number | undefined
    }
)

/** A delivery that is not in the clear. */
export type ProtectedDelivery = Extract<Delivery, { readonly protection: Scheme }>

/** A protection of samples, under which fragments stay fragments. */
export type SampleDelivery = ProtectedDelivery & { readonly protection: 'cenc' | 'cbcs' }

/** @throws AppError `MEDIA_UNSUPPORTED` where whole segments are encrypted */
export function requireSamples(delivery: ProtectedDelivery): SampleDelivery {
  if (delivery.protection !== 'envelope') return delivery as SampleDelivery
  throw new AppError('MEDIA_UNSUPPORTED', 'This form is not served in envelope: ask for encryption=cenc or cbcs-aapl.')
}

/** The words of `encryption=`; `clear` is ours, for policies that allow it beside others. */
export const encryptionWords = {
  clear: 'clear',
  cbc: 'envelope',
  cenc: 'cenc',
  piff: 'cenc',
  'cbcs-aapl': 'cbcs',
} as const satisfies Readonly<Record<string, Protection>>
/** One of them. */
export type EncryptionWord = keyof typeof encryptionWords

/** Raised whenever samples get other IVs: caches outside may hold segments with those before. */
const IV_VERSION = 2
const PROTOCOLS: readonly Protocol[] = ['hls', 'dash', 'smooth', 'progressive']
const PROTECTIONS: readonly Protection[] = ['clear', 'envelope', 'cenc', 'cbcs']
const protocolNames = { hls: 'HLS', dash: 'DASH', smooth: 'Smooth Streaming', progressive: 'downloads' } as const

/** The ways in which a presentation is delivered under one locator, as its terms have them at the moment. */
export class Deliveries {
  readonly all: readonly Delivery[]
  readonly #terms: DeliveryTerms | undefined
  readonly #header: PresentationHeader

  /** `terms` absent: everything in the clear, as it always was. */
  constructor(header: PresentationHeader, terms: DeliveryTerms | undefined) {
    this.#terms = terms
    this.#header = header
    this.all = PROTECTIONS.flatMap((protection): Delivery[] => {
      const protocols = PROTOCOLS.filter((protocol) => isAllowed(terms, protocol, protection))
      if (protocols.length === 0) return []
      if (protection === 'clear' || !terms) {
        return [{ protection: 'clear', digest: contentDigest(header), protocols }]
      }
      return protectedDelivery(header, terms, protection, protocols)
    })
  }

  /** Whether pictures of it may be shown in the clear: thumbnails are. */
  get hasClear(): boolean {
    return this.all.some(({ protection }) => protection === 'clear')
  }

  /**
   * What a manifest, or a URL of the AMS grammar, is of. `word`: what its `encryption=` says. `isAlias`: a short address, which takes the first
   * that the policy lists; others have to say which where there are several.
   * @throws AppError `DELIVERY_BLOCKED` with what is allowed; `URL_INVALID` where it is left open; `MEDIA_UNSUPPORTED` where the media can't be protected so
   */
  choose(protocol: Protocol, word: EncryptionWord | undefined, isAlias = false): Delivery {
    const possible = this.#possible(protocol)
    const wanted = word && encryptionWords[word]
    const [first, ...others] = wanted ? possible.filter(({ protection }) => protection === wanted) : possible
    if (!first && !this.#terms) {
      throw new AppError(
        'URL_INVALID',
        'The URL is malformed: this presentation is in the clear: leave encryption out.',
      )
    }
    if (!first) throw this.#blocked(protocol, wanted)
    if (!wanted && !isAlias && others.length > 0) {
      const words = possible.map(({ protection }) => wordOf(protection, protocol)).join(', ')
      const detail = `The URL leaves open how ${protocolNames[protocol]} is to be protected: add encryption= with one of ${words}.`
      throw new AppError('URL_INVALID', detail)
    }
    return this.#protectable(first)
  }

  /**
   * Whose digest stands in a child URL. `ofChild`: the protocols that the child belongs to, of which one has to be allowed, as of segments that HLS and DASH
   * share; empty: it is of none, and there is another rule for it.
   * @throws AppError `DELIVERY_BLOCKED`, `URL_UNKNOWN` for what is of another presentation, or was protected in another way
   */
  ofDigest(digest: string, ofChild: readonly Protocol[]): Delivery {
    const found = this.all.find((delivery) => delivery.digest === digest)
    if (!found) {
      const message = 'This address was of another presentation, or is of a protection that is not allowed any more.'
      throw new AppError('URL_UNKNOWN', message)
    }
    const [first] = ofChild
    if (first && !ofChild.some((one) => found.protocols.includes(one))) throw this.#blocked(first, found.protection)
    return this.#protectable(found)
  }

  /** Media of a protocol in the clear, and nothing else will do. @throws AppError `DELIVERY_BLOCKED` */
  requireClear(protocol: Protocol): Delivery {
    return this.choose(protocol, 'clear')
  }

  /** Pictures of the video, which are in the clear: the policy has to allow that for some protocol. @throws AppError `DELIVERY_BLOCKED` */
  requirePictures(digest?: string): Delivery {
    const found = this.all.find(({ protection }) => protection === 'clear')
    if (!found) {
      const message =
        'Thumbnails are pictures in the clear, and the delivery policy allows nothing of this asset in the clear.'
      throw new AppError('DELIVERY_BLOCKED', message)
    }
    return this.all.find((delivery) => delivery.digest === digest) ?? found
  }

  /**
   * `QualityLevels(…)/Fragments(…)` in CMAF, which HLS and DASH share: what either allows.
   * @throws AppError `DELIVERY_BLOCKED`, `URL_INVALID`
   */
  chooseFragment(word: EncryptionWord | undefined): Delivery {
    const found = new Set<Delivery>()
    let refused: unknown
    for (const protocol of ['hls', 'dash'] as const) {
      try {
        found.add(this.choose(protocol, word))
      } catch (error) {
        refused ??= error
      }
    }
    const [first, ...others] = found
    if (!first) throw refused
    if (others.length === 0) return first
    throw new AppError('URL_INVALID', 'The URL leaves open how the fragment is to be protected: add encryption=.')
  }

  /** In the order of the policy. */
  #possible(protocol: Protocol): readonly Delivery[] {
    if (!this.#terms) return this.all
    return this.#terms.protocols[protocol].flatMap(
      (protection) => this.all.find((delivery) => delivery.protection === protection) ?? [],
    )
  }

  /** Samples of a track that are decoded at one time would have one IV under `cenc`, which would give both away. */
  #protectable(delivery: Delivery): Delivery {
    if (delivery.protection !== 'cenc' || !this.#header.hasEqualDecodeTimes) return delivery
    const message =
      'The media can’t be protected by cenc: samples of one track are decoded at the same time, and would be encrypted alike. ' +
      'Deliver it in cbcs or envelope, or make the file anew with a duration for every sample.'
    throw new AppError('MEDIA_UNSUPPORTED', message)
  }

  #blocked(protocol: Protocol, wanted: Protection | undefined): AppError {
    return new AppError('DELIVERY_BLOCKED', blockedDetail(this.#terms, protocol, wanted))
  }
}

/** Deliveries that were worked out, as long as what they are of is there. */
export class DeliveriesOf {
  readonly #known = new WeakMap<PresentationHeader, WeakMap<object, Deliveries>>()

  get(header: PresentationHeader, terms: DeliveryTerms | undefined): Deliveries {
    const ofHeader = this.#known.get(header) ?? new WeakMap<object, Deliveries>()
    this.#known.set(header, ofHeader)
    const found = ofHeader.get(terms ?? header) ?? new Deliveries(header, terms)
    ofHeader.set(terms ?? header, found)
    return found
  }
}

/** That files may be downloaded as they are. @throws AppError `DELIVERY_BLOCKED` */
export function requireDownload(terms: DeliveryTerms | undefined): void {
  if (isAllowed(terms, 'progressive', 'clear')) return
  throw new AppError('DELIVERY_BLOCKED', blockedDetail(terms, 'progressive', undefined))
}

function isAllowed(terms: DeliveryTerms | undefined, protocol: Protocol, protection: Protection): boolean {
  return terms ? terms.protocols[protocol].includes(protection) : protection === 'clear'
}

function protectedDelivery(
  header: PresentationHeader,
  { keys: all, licenceUrls, licenceValues, rotationPeriodMs }: DeliveryTerms,
  protection: Scheme,
  protocols: readonly Protocol[],
): ProtectedDelivery[] {
  const keys = all.filter(({ kind }) => kind === protection)
  if (keys.length === 0) return []
  const period = keys.some(({ rotating }) => rotating) ? rotationPeriodMs : undefined
  const named = keys.map(({ contentKeyId, created, rotating, tracks = [], had, passedOn = [], signalling }) => {
    const shape = [contentKeyId, created, rotating, [...tracks].sort(), [...had].sort()]
    const more = passedOn.length === 0 ? shape : [...shape, [...passedOn].sort()]
    return signalling === undefined ? more : [...more, signalling]
  })
  const urls = Object.entries(licenceUrls).sort(([one], [other]) => (one < other ? -1 : 1))
  const { id, epoch } = header
  const version = protection === 'cenc' ? `${PACKAGER_VERSION}.${IV_VERSION}` : PACKAGER_VERSION
  const shape = JSON.stringify([id, epoch, version, protection, named, urls, period ?? null])
  const digest = hash('sha256', shape, 'base64url').slice(0, DIGEST_LENGTH)
  const ivBase = sampleIvBase(header)
  const rules = { licenceUrls, ...(licenceValues && { licenceValues }), rotationPeriodMs: period }
  return [{ protection, digest, protocols, keys, ...rules, ivBase }]
}

function wordOf(protection: Protection, protocol: Protocol): EncryptionWord {
  if (protection === 'envelope') return 'cbc'
  if (protection === 'cbcs') return 'cbcs-aapl'
  if (protection === 'cenc') return protocol === 'smooth' ? 'piff' : 'cenc'
  return 'clear'
}

/** What is wrong, and what would be right. */
function blockedDetail(terms: DeliveryTerms | undefined, protocol: Protocol, wanted: Protection | undefined): string {
  const name = protocolNames[protocol]
  if (!terms) return `${name} is in the clear here.`
  if (terms.policy === undefined) {
    return (
      'The asset is stored encrypted, and nothing says how it may be delivered: give it, or the locator, a delivery policy ' +
      '(Predefined_DownloadAndClearStreaming delivers it in the clear).'
    )
  }
  const allowed = terms.protocols[protocol]
  const lacking = allowed.filter(
    (protection) => protection !== 'clear' && !terms.keys.some(({ kind }) => kind === protection),
  )
  if (allowed.length === 0) return `The delivery policy ${terms.policy} blocks ${name}.`
  const isLacking = wanted ? lacking.includes(wanted) : lacking.length === allowed.length
  if (isLacking) {
    const kinds = wanted ?? lacking.join(' or ')
    return `The delivery policy ${terms.policy} wants ${name} in ${kinds}, and the asset has no content key of that kind: give it one.`
  }
  const words = allowed.map((protection) => `${protection} (encryption=${wordOf(protection, protocol)})`).join(', ')
  return `The delivery policy ${terms.policy} blocks ${name} in ${wanted ?? 'this form'}; what it allows is ${words}.`
}
