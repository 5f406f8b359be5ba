import { FormatError } from '../../lib/errors.ts'
import { decodeText } from './decode-text.ts'
import { TextBudget } from './text-budget.ts'
import { inOrder, TEXT_LIMITS, type TextCue, type TextDocument, type TtmlFrame } from './text-document.ts'
import { layoutsOf, type StyleAttributes, styleIds, type TtmlLayout } from './ttml-layout.ts'
import { cueTextOf, hasText } from './ttml-markup.ts'
import { type Interval, intervalOf, readTtmlClock, type TtmlClock } from './ttml-time.ts'
import { localName, readXmlTree, startTag, writeXmlNode, type XmlNode } from './xml-tree.ts'

/** What an element hands down to the paragraphs within it. */
type Inherited = {
  readonly interval: Interval
  readonly region: string | undefined
  readonly styles: readonly string[]
  /** What these come to. */
  readonly referenced: StyleAttributes
  /** Attributes of styling that stand on the elements themselves. */
  readonly inline: ReadonlyMap<string, string>
  readonly preserves: boolean
  /** About how many characters of it each paragraph gets. */
  readonly characters: number
}

const TTML_NAMESPACE = 'http://www.w3.org/ns/ttml'
const OUTERMOST: Omit<Inherited, 'preserves'> = {
  interval: { from: 0, to: Number.POSITIVE_INFINITY },
  region: undefined,
  styles: [],
  referenced: new Map(),
  inline: new Map(),
  characters: 0,
}
const TIMES = new Set(['begin', 'end', 'dur', 'timeContainer'])
/** Times of spans cut a paragraph into at most so many. */
const MAX_PIECES = 256
/** Work on an element, as that on so many characters. */
const ELEMENT_CHARACTERS = 32
/** What has no end is shown for as long as anything is. */
const LONGEST_MS = 7 * 86_400_000

/**
 * Reads TTML as IMSC1 text profile has it (W3C TTML2, IMSC 1.1): a cue for each `p`, or for each stretch of it where its spans come and go. Times
 * of `body`, `div` and `p` add up. A `p` whose times can't be read, or which is never shown, is counted in `skipped`, unless it has no text.
 *
 * `budget` is shared by documents of one track.
 *
 * @throws FormatError where it is no TTML, or larger than `TEXT_LIMITS`, or where far more would be made of it than it holds
 */
export function parseTtml(bytes: Uint8Array, budget: TextBudget = new TextBudget('ttml')): TextDocument {
  const root = readXmlTree(decodeText(bytes, 'ttml'), 'ttml')
  if (localName(root.name) !== 'tt' || !isTtml(root)) throw new FormatError('ttml', 0, `<${root.name}> is no TTML`)
  const prefixed = (end: string) => prefixOf(root, end)
  const clock = readTtmlClock((name) => root.attributes.get(`${prefixed('#parameter') ?? 'ttp'}:${name}`))
  const head = childOf(root, 'head')
  const layout = layoutsOf(head, prefixed('#styling') ?? 'tts')
  const reader = new ParagraphReader(clock, layout, budget)
  const body = childOf(root, 'body')
  const preserves = root.attributes.get('xml:space') === 'preserve'
  if (body) reader.walk(body, { ...OUTERMOST, preserves }, 0)
  return { cues: inOrder(reader.cues), blocks: [], frame: frameOf(root, head), skipped: reader.skipped }
}

function isTtml({ name, attributes }: XmlNode): boolean {
  const prefix = name.includes(':') ? `:${name.slice(0, name.indexOf(':'))}` : ''
  // Older documents have a date or a draft's name in it.
  return attributes.get(`xmlns${prefix}`)?.startsWith(TTML_NAMESPACE) ?? false
}

function prefixOf({ attributes }: XmlNode, end: string): string | undefined {
  const found = [...attributes].find(([name, value]) => name.startsWith('xmlns:') && value.endsWith(end))
  return found?.[0].slice('xmlns:'.length)
}

function childOf({ content }: XmlNode, name: string): XmlNode | undefined {
  return content.find((child): child is XmlNode => typeof child !== 'string' && localName(child.name) === name)
}

function frameOf(root: XmlNode, head: XmlNode | undefined): TtmlFrame {
  const prefix = root.name.slice(0, root.name.length - 'tt'.length)
  return { root: startTag(root), rootName: root.name, head: head ? writeXmlNode(head) : '', prefix }
}

function charactersOf(attributes: Iterable<readonly [string, string]>): number {
  let sum = 0
  for (const [name, value] of attributes) sum += name.length + value.length
  return sum
}

class ParagraphReader {
  readonly cues: TextCue[] = []
  skipped = 0
  readonly #clock: TtmlClock
  readonly #layout: TtmlLayout
  readonly #budget: TextBudget

  constructor(clock: TtmlClock, layout: TtmlLayout, budget: TextBudget) {
    this.#clock = clock
    this.#layout = layout
    this.#budget = budget
  }

  /** Reads `body`, `div` or `p`; gives where it ends, which is where its neighbour in a sequence begins. */
  walk(node: XmlNode, outer: Inherited, base: number): number {
    const interval = intervalOf(node, outer.interval, base, this.#clock)
    if (!interval) {
      if (hasText(node)) this.skipped++
      return base
    }
    const inner = this.#inherit(node, outer, interval)
    if (localName(node.name) === 'p') this.#paragraph(node, inner)
    else this.#children(node, inner)
    return interval.to
  }

  #children(node: XmlNode, inner: Inherited): void {
    const isSequence = node.attributes.get('timeContainer') === 'seq'
    let base = inner.interval.from
    for (const child of node.content) {
      if (typeof child === 'string' || !/^(div|p)$/.test(localName(child.name))) continue
      const end = this.walk(child, inner, base)
      if (isSequence) base = end
    }
  }

  #inherit(node: XmlNode, outer: Inherited, interval: Interval): Inherited {
    const { attributes } = node
    const handed = (name: string) => name === 'style' || name === 'region' || name.startsWith(this.#layout.stylePrefix)
    const own = [...attributes].filter(([name]) => handed(name))
    const characters = outer.characters + charactersOf(own)
    this.#budget.spend(characters)
    const ids = styleIds(node)
    const space = attributes.get('xml:space')
    const inline = own.filter(([name]) => name.startsWith(this.#layout.stylePrefix))
    return {
      interval,
      region: attributes.get('region') ?? outer.region,
      styles: [...outer.styles, ...ids],
      referenced: this.#layout.referenced(ids, outer.referenced),
      inline: new Map([...outer.inline, ...inline]),
      preserves: space === undefined ? outer.preserves : space === 'preserve',
      characters,
    }
  }

  #paragraph(node: XmlNode, { interval, region, styles, referenced, inline, preserves }: Inherited): void {
    if (!hasText(node)) return
    const attributes = new Map([...node.attributes].filter(([name]) => !TIMES.has(name)))
    if (region !== undefined) attributes.set('region', region)
    if (styles.length > 0) attributes.set('style', styles.join(' '))
    for (const [name, value] of inline) attributes.set(name, value)
    if (preserves) attributes.set('xml:space', 'preserve')
    const style = this.#layout.styleOf(referenced, inline)
    const settings = this.#layout.settingsOf(region, style)
    for (const piece of this.#pieces(node, interval)) {
      const shown: XmlNode = { ...node, attributes, content: this.#shown(node, interval, piece) }
      const text = cueTextOf(shown, this.#layout, style, preserves)
      if (text === '') continue
      if (this.cues.length === TEXT_LIMITS.cues) throw new FormatError('ttml', 0, `more than ${TEXT_LIMITS.cues} cues`)
      const ttml = writeXmlNode(shown)
      this.#budget.spend(text.length + ttml.length)
      const [startMs, endMs] = [Math.round(piece.from), Math.round(Math.min(piece.to, piece.from + LONGEST_MS))]
      const isBroken =
        endMs <= startMs || ttml.length > 4 * TEXT_LIMITS.cueCharacters || text.length > TEXT_LIMITS.cueCharacters
      if (isBroken) this.skipped++
      else this.cues.push({ startMs, endMs, text, ttml, ...(settings !== '' && { settings }) })
    }
  }

  /** The stretches of a paragraph in which it stays as it is. */
  #pieces(node: XmlNode, interval: Interval): readonly Interval[] {
    const times = new Set<number>()
    this.#collect(node, interval, times)
    const inside = [...times].filter((time) => time > interval.from && time < interval.to)
    if (inside.length === 0 || inside.length > MAX_PIECES) return [interval]
    const edges = [interval.from, ...inside.sort((a, b) => a - b), interval.to]
    return edges.slice(1).map((to, at) => ({ from: edges[at] ?? 0, to }))
  }

  #collect({ content }: XmlNode, parent: Interval, into: Set<number>): void {
    for (const child of content) {
      if (typeof child === 'string') continue
      const own = intervalOf(child, parent, parent.from, this.#clock)
      if (!own) continue
      for (const time of [own.from, own.to]) if (Number.isFinite(time)) into.add(time)
      this.#collect(child, own, into)
    }
  }

  /** What of a paragraph's content is there throughout the piece, without its times. */
  #shown({ content }: XmlNode, parent: Interval, piece: Interval): (XmlNode | string)[] {
    return content.flatMap((child): (XmlNode | string)[] => {
      this.#budget.spend(typeof child === 'string' ? child.length : ELEMENT_CHARACTERS)
      if (typeof child === 'string') return [child]
      const own = intervalOf(child, parent, parent.from, this.#clock)
      // Animation and metadata are no text.
      if (!own || own.from >= piece.to || own.to <= piece.from || localName(child.name) === 'set') return []
      this.#budget.spend(charactersOf(child.attributes))
      const attributes = new Map([...child.attributes].filter(([name]) => !TIMES.has(name)))
      return [{ name: child.name, attributes, content: this.#shown(child, own, piece) }]
    })
  }
}
