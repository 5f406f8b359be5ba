import { escapeText } from './xml-tree.ts'

const TOKEN = /<([^<>]*)>|&([a-z]{1,8}|#\d{1,7}|#x[\da-f]{1,6});|\n|[^<&\n]+|[<&]/gi
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  lrm: '\u200e',
  rlm: '\u200f',
}
const COLORS = /^(white|lime|cyan|red|yellow|magenta|blue|black)$/
const MAX_OPEN = 32

/**
 * WebVTT cue text (WebVTT §6.4) as the content of a TTML `p`: `<i>`, `<b>`, `<u>` and classes of the eight colours are spans, other tags are left out,
 * their text stays.
 */
export function ttmlOfCueText(text: string): string {
  const open: string[] = []
  let ttml = ''
  for (const match of text.matchAll(TOKEN)) {
    const [whole, tag, entity] = match
    if (whole === '\n') ttml += '<br/>'
    else if (entity !== undefined) ttml += escapeText(characterOf(entity) ?? whole)
    else if (tag === undefined) ttml += escapeText(whole)
    else if (tag.startsWith('/')) ttml += close(open, nameOf(tag.slice(1)))
    else {
      const style = styleOf(tag)
      if (style === undefined || open.length === MAX_OPEN) continue
      open.push(nameOf(tag))
      ttml += `<span ${style}>`
    }
  }
  return ttml + '</span>'.repeat(open.length)
}

/** Closes all that was opened since the tag; one that is not open closes nothing. */
function close(open: string[], name: string): string {
  const at = open.lastIndexOf(name)
  if (at < 0) return ''
  const closed = open.length - at
  open.length = at
  return '</span>'.repeat(closed)
}

function nameOf(tag: string): string {
  return (/^[a-z]*/i.exec(tag)?.[0] ?? '').toLowerCase()
}

function styleOf(tag: string): string | undefined {
  const name = nameOf(tag)
  if (name === 'i') return 'tts:fontStyle="italic"'
  if (name === 'b') return 'tts:fontWeight="bold"'
  if (name === 'u') return 'tts:textDecoration="underline"'
  if (name !== 'c') return undefined
  const classes = (tag.split(/[ \t]/)[0] ?? '').split('.').slice(1)
  const color = classes.find((one) => COLORS.test(one))
  return color === undefined ? undefined : `tts:color="${color}"`
}

function characterOf(entity: string): string | undefined {
  if (!entity.startsWith('#')) return Object.hasOwn(ENTITIES, entity) ? ENTITIES[entity] : undefined
  const isHex = /^#x/i.test(entity)
  const code = Number.parseInt(entity.slice(isHex ? 2 : 1), isHex ? 16 : 10)
  return code >= 0x20 && code <= 0xfffd && (code < 0xd800 || code >= 0xe000) ? String.fromCodePoint(code) : undefined
}
