import { localName, type XmlNode } from './xml-tree.ts'

/** Attributes of styling, by their name without prefix. */
export type StyleAttributes = ReadonlyMap<string, string>

/** What the head of a document says of styles and regions. */
export type TtmlLayout = {
  /** The prefix of attributes of styling, with its colon. */
  readonly stylePrefix: string
  /** The attributes that styles of these ids and inline ones come to; what comes later wins. */
  styleOf(ids: readonly string[], inline: ReadonlyMap<string, string>): StyleAttributes
  /** WebVTT cue settings for what is placed so. */
  settingsOf(region: string | undefined, styles: readonly string[], inline: ReadonlyMap<string, string>): string
}

const MAX_CHAIN = 8
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
  const own = (attributes: ReadonlyMap<string, string>): [string, string][] =>
    [...attributes].flatMap(([name, value]) =>
      name.startsWith(stylePrefix) ? [[name.slice(stylePrefix.length), value] as [string, string]] : [],
    )
  const chained = (id: string, depth: number): [string, string][] => {
    const style = styles.get(id)
    if (!style || depth > MAX_CHAIN) return []
    const before = idsOf(style.attributes.get('style')).slice(0, MAX_CHAIN)
    return [...before.flatMap((other) => chained(other, depth + 1)), ...own(style.attributes)]
  }
  const known = new Map<string, readonly [string, string][]>()
  const resolved = (id: string) => {
    const found = known.get(id) ?? chained(id, 0)
    known.set(id, found)
    return found
  }
  const styleOf: TtmlLayout['styleOf'] = (ids, inline) => new Map([...ids.flatMap(resolved), ...own(inline)])
  const regionOf = (id: string | undefined): StyleAttributes => {
    const region = id === undefined ? undefined : regions.get(id)
    if (!region) return new Map()
    const nested = region.content.flatMap((child) => (typeof child === 'string' ? [] : own(child.attributes)))
    return new Map([...idsOf(region.attributes.get('style')).flatMap(resolved), ...nested, ...own(region.attributes)])
  }
  return {
    stylePrefix,
    styleOf,
    settingsOf(region, ids, inline) {
      const placed = regionOf(region)
      const aligned = styleOf(ids, inline).get('textAlign') ?? placed.get('textAlign') ?? 'center'
      const settings: string[] = []
      const top = topOf(placed)
      if (top !== undefined) settings.push(`line:${top}%`)
      if (ALIGNMENTS.has(aligned) && aligned !== 'center') settings.push(`align:${aligned}`)
      return settings.join(' ')
    },
  }
}

function idsOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(/\s+/).filter((id) => id !== '')
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
