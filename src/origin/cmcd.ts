import type { IncomingHttpHeaders } from 'node:http'

/** What a player says it asks for: the closed list of CTA-5004's `ot`, and `unknown`. */
const objectTypes = ['m', 'a', 'v', 'av', 'i', 'c', 'tt', 'k', 'o'] as const
/** One of them. */
export type CmcdObject = (typeof objectTypes)[number] | 'unknown'

/** Of which figures the distribution is kept: buffer length and deadline in ms, throughput and bitrate in kbit/s. */
const figures = ['bl', 'dl', 'mtp', 'br'] as const
/** One of them. */
export type CmcdFigure = (typeof figures)[number]

/** What of a player's report is kept: no ids, no URLs, nothing of who watches what. */
export type CmcdReport = {
  readonly object: CmcdObject
  readonly version: '1' | '2' | 'other'
  readonly samples: readonly { readonly figure: CmcdFigure; readonly object: CmcdObject; readonly value: number }[]
  /** The buffer ran empty since the last report. */
  readonly isStarved: boolean
  /** The object is needed urgently: at start, after a seek or a stall. */
  readonly isStartup: boolean
}

type Item = { readonly value: string; readonly params: readonly string[] }
type Dictionary = ReadonlyMap<string, readonly Item[]>

const HEADERS = ['cmcd-request', 'cmcd-object', 'cmcd-status', 'cmcd-session'] as const
const QUERY = /[?&]CMCD=([^&#]*)/
/** Longer reports are read as far as that. */
const MAX_LENGTH = 4_096
const MAX_KEYS = 64
const MAX_ITEMS = 8
/** Past it a figure is a player's mistake. */
const MAX_VALUE = 1e9
const KEY = /^[a-z*][\w.*-]{0,63}$/i
/**
 * What a request says by Common Media Client Data (CTA-5004, and CTA-5004-A, whose figures may be lists with the object type behind
 * each), in its query or its headers. `undefined`: nothing. What can't be read is left out: a player's mistake costs it nothing.
 */
export function readCmcd(requestTarget: string, headers: IncomingHttpHeaders): CmcdReport | undefined {
  const texts: string[] = []
  const query = QUERY.exec(requestTarget)?.[1]
  if (query !== undefined) texts.push(decoded(query.slice(0, MAX_LENGTH)))
  for (const name of HEADERS) {
    const header = headers[name]
    if (header !== undefined) texts.push(String(header))
  }
  return texts.length === 0 ? undefined : reportOf(parseDictionary(texts.join(',').slice(0, MAX_LENGTH)))
}

function reportOf(said: Dictionary): CmcdReport {
  const object = objectOf(said.get('ot')?.[0]?.value)
  const version = said.get('v')?.[0]?.value ?? '1'
  const samples = figures.flatMap((figure) =>
    (said.get(figure) ?? []).flatMap(({ value, params }) => {
      const number = /^\d{1,15}(?:\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN
      const typed = params.map(objectOf).find((type) => type !== 'unknown')
      return number <= MAX_VALUE ? [{ figure, object: typed ?? object, value: number }] : []
    }),
  )
  return {
    object,
    version: version === '1' || version === '2' ? version : 'other',
    samples,
    isStarved: isTrue(said.get('bs')),
    isStartup: isTrue(said.get('su')),
  }
}

/** `key`, `key=item` or `key=(item item)`, each item with parameters behind semicolons (RFC 8941 §3.2). */
function parseDictionary(text: string): Dictionary {
  const members = new Map<string, readonly Item[]>()
  for (const member of membersOf(text)) {
    if (members.size >= MAX_KEYS) break
    const equals = member.indexOf('=')
    const key = (equals < 0 ? member : member.slice(0, equals)).trim()
    if (!KEY.test(key)) continue
    members.set(key, equals < 0 ? [{ value: '?1', params: [] }] : itemsOf(member.slice(equals + 1).trim()))
  }
  return members
}

/** Up to a comma that stands neither in a string nor in an inner list; one pass, whatever the text is. */
function* membersOf(text: string): Iterable<string> {
  let start = 0
  let isText = false
  let isList = false
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if (isText && character === '\\') at++
    else if (character === '"') isText = !isText
    else if (isText) continue
    else if (character === '(') isList = true
    else if (character === ')') isList = false
    else if (character === ',' && !isList) {
      yield text.slice(start, at)
      start = at + 1
    }
  }
  yield text.slice(start)
}

function itemsOf(value: string): readonly Item[] {
  const inner = /^\(([^)]*)\)?/.exec(value)?.[1]
  const items = inner === undefined ? [value] : inner.split(/\s+/).slice(0, MAX_ITEMS)
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const [first = '', ...params] = item.split(';', MAX_ITEMS)
      return { value: first.trim(), params: params.map((param) => param.trim()) }
    })
}

function objectOf(text: string | undefined): CmcdObject {
  const plain = text?.replace(/^"|"$/g, '')
  return objectTypes.find((type) => type === plain) ?? 'unknown'
}

function isTrue(items: readonly Item[] | undefined): boolean {
  return items?.[0]?.value === '?1' || items?.[0]?.value === 'true'
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A report that is cut in the middle of a character, or was never encoded: what is readable of it counts.
    return text
  }
}
