import { escapeMarkup } from './markup.ts'

/** Whole segments in AES-128-CBC, and where their key is got. */
export type EnvelopeSignal = { readonly keyUrl: string; readonly iv: Uint8Array }

const NAMESPACE = 'urn:mpeg:dash:schema:sea:2012'
const SCHEME = 'urn:mpeg:dash:sea:2012'
const CIPHER = 'urn:mpeg:dash:sea:aes128-cbc:2013'
/** Keys are got by HTTP, 16 bytes. */
const KEY_SYSTEM = 'urn:mpeg:dash:sea:keysys:http:2013'

/**
 * The `ContentProtection` element of segment encryption (ISO/IEC 23009-4 §6), which stands in a DASH manifest and, as Azure Media Services
 * had it, in that of Smooth Streaming too.
 */
export function envelopeProtection({ keyUrl, iv }: EnvelopeSignal): string {
  const period = `IV="0x${Buffer.from(iv).toString('hex').toUpperCase()}" keyUriTemplate="${escapeMarkup(keyUrl)}"`
  return [
    `<ContentProtection xmlns:sea="${NAMESPACE}" schemeIdUri="${SCHEME}">`,
    `<sea:SegmentEncryption schemeIdUri="${CIPHER}"/>`,
    `<sea:KeySystem keySystemUri="${KEY_SYSTEM}"/>`,
    `<sea:CryptoPeriod ${period}/>`,
    '</ContentProtection>',
  ].join('\n')
}
