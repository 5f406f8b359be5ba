import { drmSystems } from '../../protection/drm/drm-systems.ts'
import { escapeMarkup } from '../../protection/signalling/markup.ts'

/** What a key is for, as SPEKE v2 names it (`intendedTrackType`). */
export type IntendedTracks = 'ALL' | 'VIDEO' | 'AUDIO' | 'SD' | 'HD' | 'UHD'

/** A key that is wanted. */
export type CpixKeyWish = {
  readonly kid: string
  /** Absent: none of common encryption, such as whole segments. */
  readonly scheme?: 'cenc' | 'cbcs'
  readonly tracks: readonly IntendedTracks[]
  /** Of a key that rotates: which of the periods below it is for. */
  readonly periodIndex?: number
}

/** What a document asks for. */
export type CpixWish = {
  readonly contentId: string
  readonly keys: readonly CpixKeyWish[]
  /** Ids of the protection systems whose signalling is wanted of each key. */
  readonly systemIds: readonly string[]
  /** To encrypt the answer for: DER in base64. */
  readonly certificate?: string
}

const NAMESPACES =
  'xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
const MAX_SD_PIXELS = 1_024 * 576
const MAX_HD_PIXELS = 1_920 * 1_080
const FILTERS: Readonly<Record<IntendedTracks, string>> = {
  ALL: '<cpix:VideoFilter/><cpix:AudioFilter/>',
  VIDEO: '<cpix:VideoFilter/>',
  AUDIO: '<cpix:AudioFilter/>',
  SD: `<cpix:VideoFilter maxPixels="${MAX_SD_PIXELS}"/>`,
  HD: `<cpix:VideoFilter minPixels="${MAX_SD_PIXELS + 1}" maxPixels="${MAX_HD_PIXELS}"/>`,
  UHD: `<cpix:VideoFilter minPixels="${MAX_HD_PIXELS + 1}"/>`,
}
const HLS = '<cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/>'
const DASH = '<cpix:PSSH/><cpix:ContentProtectionData/>'

/** The systems of a wish that know keys of this scheme: FairPlay has no `cenc`, and what a provider would say of it there would be of another method. */
export function systemIdsFor(
  { systemIds }: Pick<CpixWish, 'systemIds'>,
  scheme: CpixKeyWish['scheme'],
): readonly string[] {
  return scheme === 'cenc' ? systemIds.filter((systemId) => systemId !== drmSystems.fairplay) : systemIds
}

/** A CPIX 2.3 document (DASH-IF, "Content Protection Information Exchange Format") as SPEKE v2 sends it: the answer is the same one, filled in. */
export function writeCpixRequest(wish: CpixWish): string {
  const { contentId, keys, certificate } = wish
  const indexes = [...new Set(keys.flatMap(({ periodIndex }) => (periodIndex === undefined ? [] : [periodIndex])))]
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<cpix:CPIX contentId="${escapeMarkup(contentId)}" version="2.3" ${NAMESPACES}>`,
    ...(certificate === undefined ? [] : [deliveryData(certificate)]),
    list('ContentKeyList', keys.map(contentKey)),
    list(
      'DRMSystemList',
      keys.flatMap(({ kid, scheme }) => systemIdsFor(wish, scheme).map((systemId) => drmSystem(kid, systemId))),
    ),
    list(
      'ContentKeyPeriodList',
      indexes.map((index) => `<cpix:ContentKeyPeriod id="${periodId(index)}" index="${index}"/>`),
    ),
    list('ContentKeyUsageRuleList', keys.flatMap(usageRules)),
    '</cpix:CPIX>',
  ]
    .filter((part) => part !== '')
    .join('\n')
}

function list(name: string, entries: readonly string[]): string {
  return entries.length === 0 ? '' : [`<cpix:${name}>`, ...entries, `</cpix:${name}>`].join('\n')
}

function deliveryData(certificate: string): string {
  const key = `<ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data>`
  return list('DeliveryDataList', [
    `<cpix:DeliveryData id="headend"><cpix:DeliveryKey>${key}</cpix:DeliveryKey></cpix:DeliveryData>`,
  ])
}

function contentKey({ kid, scheme }: CpixKeyWish): string {
  const by = scheme === undefined ? '' : ` commonEncryptionScheme="${scheme}"`
  return `<cpix:ContentKey kid="${kid}"${by}/>`
}

/** Apple's system knows playlists alone, Microsoft's Smooth Streaming too. */
function drmSystem(kid: string, systemId: string): string {
  const data =
    systemId === drmSystems.fairplay
      ? HLS
      : systemId === drmSystems.playready
        ? `${DASH}${HLS}<cpix:SmoothStreamingProtectionHeaderData/>`
        : `${DASH}${HLS}`
  return `<cpix:DRMSystem kid="${kid}" systemId="${systemId}">${data}</cpix:DRMSystem>`
}

function usageRules({ kid, tracks, periodIndex }: CpixKeyWish): string[] {
  const period = periodIndex === undefined ? '' : `<cpix:KeyPeriodFilter periodId="${periodId(periodIndex)}"/>`
  return tracks.map(
    (type) =>
      `<cpix:ContentKeyUsageRule kid="${kid}" intendedTrackType="${type === 'UHD' ? 'UHD1' : type}">${period}${FILTERS[type]}</cpix:ContentKeyUsageRule>`,
  )
}

function periodId(index: number): string {
  return `keyPeriod_${index}`
}
