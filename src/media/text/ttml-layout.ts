import { localName, type XmlNode } from './xml-tree.ts'

/** Attributes of styling, by their name without prefix. */
export type StyleAttributes = ReadonlyMap<string, string>

/** What the head of a document says of styles and regions. */
export type TtmlLayout = {
  /** The prefix of attributes of styling, with its colon. */
  readonly stylePrefix: string
  /** What styles of these ids come to, on top of what is around them; what comes later wins. */
  referenced(ids: readonly string[], outer: StyleAttributes): StyleAttributes
  /** The same with the attributes that stand on an element itself. */
  styleOf(referenced: StyleAttributes, inline: ReadonlyMap<string, string>): StyleAttributes
  /** WebVTT cue settings for what is placed so. */
  settingsOf(region: string | undefined, style: StyleAttributes): string
}

const NONE: StyleAttributes = new Map()
/** What is read of styles: with so few of them, the styles of a whole document take no more than it does. */
const READ = new Set([
  ...['color', 'fontStyle', 'fontWeight', 'textDecoration', 'textAlign'],
  ...['origin', 'extent', 'displayAlign'],
])
const MAX_VALUE_CHARACTERS = 128
/** Styles that an element names; what is more is passed over, and so is what stands further than so many references away. */
const MAX_REFERENCES = 16
const MAX_CHAIN = 64
/** Regions that begin above this are at the top of the picture. */
const TOP_PERCENT = 40
const ALIGNMENTS = new Set(['start', 'center', 'end', 'left', 'right'])

/** Reads styles and regions of a document's head. */
export function layoutsOf(head: XmlNode | undefined, prefix: string): TtmlLayout {
  const stylePrefix = `${prefix}:`
  const styles = new Map<string, XmlNode>()
  const regions = new Map<string, XmlNode>()
  for (const group of head?.content ?? []) {
    if (typeof group === 'string') continue
    for (const child of group.content) {
      if (typeof child === 'string') continue
      const id = child.attributes.get('xml:id')
      const kind = localName(child.name)
      if (id !== undefined && kind === 'style') styles.set(id, child)
      if (id !== undefined && kind === 'region') regions.set(id, child)
    }
  }
  const own = (attributes: ReadonlyMap<string, string>) => readOf(attributes, stylePrefix)
  const known = new Map<string, StyleAttributes>()
  const open = new Set<string>()
  const resolved = (id: string): StyleAttributes => {
    const found = known.get(id)
    const style = styles.get(id)
    if (found || !style || open.has(id) || open.size > MAX_CHAIN) return found ?? NONE
    open.add(id)
    const made = new Map([...referenced(styleIds(style), NONE), ...own(style.attributes)])
    open.delete(id)
    known.set(id, made)
    return made
  }
  const referenced: TtmlLayout['referenced'] = (ids, outer) =>
    ids.length === 0
      ? outer
      : new Map([outer, ...ids.slice(0, MAX_REFERENCES).map(resolved)].flatMap((one) => [...one]))
  const places = new Map<string, StyleAttributes>()
  const regionOf = (id: string): StyleAttributes => {
    const region = regions.get(id)
    const found = places.get(id)
    if (found || !region) return found ?? NONE
    const nested = region.content.flatMap((child) => (typeof child === 'string' ? [] : own(child.attributes)))
    const made = new Map([...referenced(styleIds(region), NONE), ...nested, ...own(region.attributes)])
    places.set(id, made)
    return made
  }
  return {
    stylePrefix,
    referenced,
    styleOf: (outer, inline) => new Map([...outer, ...own(inline)]),
    settingsOf(region, style) {
      const placed = region === undefined ? NONE : regionOf(region)
      const aligned = style.get('textAlign') ?? placed.get('textAlign') ?? 'center'
      const settings: string[] = []
      const top = topOf(placed)
      if (top !== undefined) settings.push(`line:${top}%`)
      if (ALIGNMENTS.has(aligned) && aligned !== 'center') settings.push(`align:${aligned}`)
      return settings.join(' ')
    },
  }
}

/** The ids of the styles that an element names. */
export function styleIds({ attributes }: Pick<XmlNode, 'attributes'>): readonly string[] {
  const text = (attributes.get('style') ?? '').trim()
  return text === '' ? [] : text.split(/\s+/)
}

function readOf(attributes: ReadonlyMap<string, string>, prefix: string): [string, string][] {
  const found: [string, string][] = []
  for (const [key, value] of attributes) {
    const name = key.startsWith(prefix) ? key.slice(prefix.length) : ''
    if (READ.has(name) && value.length <= MAX_VALUE_CHARACTERS) found.push([name, value])
  }
  return found
}

/** How far from the top, in per cent, what is placed in the upper part of the picture begins; else it is where subtitles usually are. */
function topOf(region: StyleAttributes): number | undefined {
  const percent = (text: string | undefined) => {
    const second = /^\s*\S+\s+(\d{1,3}(?:\.\d+)?)%\s*$/.exec(text ?? '')?.[1]
    return second === undefined ? undefined : Number(second)
  }
  const top = percent(region.get('origin'))
  if (top === undefined || top >= TOP_PERCENT) return undefined
  const height = percent(region.get('extent')) ?? 0
  const align = region.get('displayAlign') ?? 'before'
  const line = align === 'after' ? top + height : align === 'center' ? top + height / 2 : top
  return line < TOP_PERCENT ? Math.round(line * 100) / 100 : undefined
}
