import type { CaptionService } from '../media/codecs/captions.ts'
import { terminologyCodeOf } from '../media/isobmff/language.ts'
import type { Track } from '../presentation/records.ts'
import { quoted, tagWith } from './hls-attributes.ts'
import { element, type Xml } from './xml.ts'

const GROUP = 'cc'
/** Services of CEA-708 came with version 7 (RFC 8216 §7). */
const SERVICE_VERSION = 7
const SERVICE = /^SERVICE(\d+)$/
const CEA_608 = 'urn:scte:dash:cc:cea-608:2015'
const CEA_708 = 'urn:scte:dash:cc:cea-708:2015'

/** The captions that travel with any of these tracks. */
export function captionsOf(tracks: readonly Track[]): readonly CaptionService[] {
  const services = new Map<string, CaptionService>()
  for (const { captions = [] } of tracks) {
    for (const service of captions) if (!services.has(service.instreamId)) services.set(service.instreamId, service)
  }
  return [...services.values()]
}

/** How an HLS master playlist tells of captions (RFC 8216 §4.3.4.1): a group of them, and what each variant says of it. */
export function hlsCaptions(services: readonly CaptionService[]): {
  readonly lines: readonly string[]
  /** `CLOSED-CAPTIONS` of variants with pictures, all alike (§4.3.4.2). */
  readonly attribute: string
  readonly version: number
} {
  if (services.length === 0) return { lines: [], attribute: 'NONE', version: 0 }
  const names = new Set<string>()
  const lines = services.map(({ instreamId, language, name = instreamId }) => {
    // The name is the only one of its kind in a group.
    const own = names.has(name) ? `${name} (${instreamId})` : name
    names.add(own)
    return tagWith('EXT-X-MEDIA', {
      TYPE: 'CLOSED-CAPTIONS',
      'GROUP-ID': quoted(GROUP),
      NAME: quoted(own),
      LANGUAGE: language === undefined ? undefined : quoted(language),
      DEFAULT: 'NO',
      AUTOSELECT: 'YES',
      'INSTREAM-ID': quoted(instreamId),
    })
  })
  const hasServices = services.some(({ instreamId }) => SERVICE.test(instreamId))
  return { lines, attribute: quoted(GROUP), version: hasServices ? SERVICE_VERSION : 0 }
}

/** `Accessibility` of an adaptation set whose pictures carry captions (SCTE 214-1 §7.2, DASH-IF IOP §6.4.3). */
export function dashCaptions(services: readonly CaptionService[]): readonly Xml[] {
  const older: string[] = []
  const newer: string[] = []
  for (const { instreamId, language } of services) {
    const code = language === undefined ? undefined : terminologyCodeOf(language)
    const number = SERVICE.exec(instreamId)?.[1]
    if (number !== undefined) newer.push(`${number}=lang:${code ?? 'und'}`)
    else older.push(code === undefined ? instreamId : `${instreamId}=${code}`)
  }
  return [...descriptor(CEA_608, older), ...descriptor(CEA_708, newer)]
}

function descriptor(schemeIdUri: string, values: readonly string[]): Xml[] {
  return values.length === 0 ? [] : [element('Accessibility', { schemeIdUri, value: values.join(';') })]
}
