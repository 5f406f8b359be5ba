import type { TrackProtection } from '../cenc/track-protection.ts'
import { drmSystems, uuidOf } from '../drm/drm-systems.ts'
import { escapeMarkup } from './markup.ts'

/** What an AdaptationSet says of its encryption and of one protection system (ISO/IEC 23009-1 §5.8.4.1, DASH-IF IOP Part 6). */
export type DashSystem = {
  readonly system: 'common' | 'widevine' | 'playready' | 'clearkey'
  readonly pssh?: Uint8Array
  /** PlayReady's object, for players that read it out of the manifest. */
  readonly playReadyObject?: Uint8Array
  /** What the key's provider wants to stand within the element, well-formed and without a declaration, in place of what would be made of the others. */
  readonly provided?: string
  /** Where players get licences; left out where what was provided says it. */
  readonly licenceUrl?: string | undefined
}

/** The namespaces stand on the elements that use them, so that the rest of a manifest is as it would be without. */
const CENC = 'xmlns:cenc="urn:mpeg:cenc:2013"'
const PLAYREADY = 'xmlns:mspr="urn:microsoft:playready"'
const LICENCE = 'xmlns:dashif="https://dashif.org/CPS"'
const systemValues = { common: undefined, widevine: undefined, playready: 'MSPR 2.0', clearkey: 'ClearKey1.0' } as const

/** The element that says by which scheme, and with which key, an AdaptationSet is encrypted. It goes before those of systems. */
export function dashMp4Protection(scheme: TrackProtection['scheme'], kid: Uint8Array): string {
  return `<ContentProtection ${CENC} schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="${scheme}" cenc:default_KID="${uuidOf(kid)}"/>`
}

/** The element of a protection system. */
export function dashSystemProtection(wanted: DashSystem): string {
  const { system, pssh, playReadyObject, provided } = wanted
  const licenceUrl = /laurl\b/i.test(provided ?? '') ? undefined : wanted.licenceUrl
  const value = systemValues[system]
  const uses = (prefix: string) => provided?.includes(`<${prefix}:`) ?? false
  const namespaces = [
    (pssh || uses('cenc')) && CENC,
    (playReadyObject || uses('mspr')) && PLAYREADY,
    (licenceUrl !== undefined || uses('dashif')) && LICENCE,
  ].filter(Boolean)
  const head = ['ContentProtection', ...namespaces, `schemeIdUri="urn:uuid:${drmSystems[system]}"`]
  if (value !== undefined) head.push(`value="${value}"`)
  const children: string[] = provided ? [provided] : []
  if (pssh) children.push(`<cenc:pssh>${base64(pssh)}</cenc:pssh>`)
  if (playReadyObject) children.push(`<mspr:pro>${base64(playReadyObject)}</mspr:pro>`)
  // Players look for either spelling: ISO/IEC 23009-1:2022 has the capital, the first DASH-IF guidelines had not.
  if (licenceUrl !== undefined) {
    for (const name of ['Laurl', 'laurl']) children.push(`<dashif:${name}>${escapeMarkup(licenceUrl)}</dashif:${name}>`)
  }
  if (children.length === 0) return `<${head.join(' ')}/>`
  return [`<${head.join(' ')}>`, ...children, '</ContentProtection>'].join('\n')
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
