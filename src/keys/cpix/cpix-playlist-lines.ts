import { AppError } from '../../lib/errors.ts'
import { hlsKeyFormatOf, hlsMethodOf } from '../../protection/signalling/hls-keys.ts'

/** What lines have to say: of which playlist they are, of which system, by which scheme. */
export type LineTerms = {
  readonly playlist: 'media' | 'master'
  readonly systemId: string
  readonly scheme: 'cenc' | 'cbcs' | undefined
}

const TAGS = { media: '#EXT-X-KEY:', master: '#EXT-X-SESSION-KEY:' } as const
/** RFC 8216 §4.2: an attribute's name, and its value in quotes or without. */
const ATTRIBUTE = /([A-Z0-9-]{1,64})=("[^"\p{Cc}]*"|[^",\s\p{Cc}]+)(,(?=.)|$)/uy

/**
 * Checks that a provider's lines say how to get a key of this system, by the method of this scheme, and nothing else: by another method players would decrypt
 * to noise, and by another key format they would take the lines for another system's.
 * @throws AppError `FORMAT_INVALID`
 */
export function checkKeyLines(text: string, { playlist, systemId, scheme }: LineTerms): void {
  const wrong = (problem: string) =>
    new AppError('FORMAT_INVALID', `<HLSSignalingData> for the ${playlist} playlist ${problem}`)
  const tag = TAGS[playlist]
  for (const line of text.trim().split(/\r?\n/)) {
    if (!line.startsWith(tag)) throw wrong(`has other lines than ${tag.slice(0, -1)}`)
    const attributes = attributesOf(line.slice(tag.length))
    if (!attributes) throw wrong(`has a line that is no list of attributes, each once`)
    const method = attributes.get('METHOD') ?? 'nothing'
    if (scheme && method !== hlsMethodOf(scheme)) {
      throw wrong(`says METHOD=${method.slice(0, 32)} of a key for ${scheme}`)
    }
    if (!attributes.get('URI')?.startsWith('"')) throw wrong('has a line without a URI')
    const format = attributes.get('KEYFORMAT') ?? 'nothing'
    const wanted = hlsKeyFormatOf(systemId)
    if (wanted !== undefined && format !== `"${wanted}"`) {
      throw wrong(`says KEYFORMAT=${format.slice(0, 64)} of the system whose is "${wanted}"`)
    }
  }
}

function attributesOf(list: string): ReadonlyMap<string, string> | undefined {
  const attributes = new Map<string, string>()
  ATTRIBUTE.lastIndex = 0
  for (let at = 0; at < list.length; at = ATTRIBUTE.lastIndex) {
    const [, name = '', value = ''] = ATTRIBUTE.exec(list) ?? []
    if (name === '' || attributes.has(name)) return undefined
    attributes.set(name, value)
  }
  return attributes
}
