import { FormatError } from '../../lib/errors.ts'

/** An element of a document, with its children and its text in their order. */
export type XmlNode = {
  /** As it is written, prefix and all. */
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly content: readonly (XmlNode | string)[]
}

type OpenNode = XmlNode & { readonly content: (XmlNode | string)[] }

const MAX_DEPTH = 64
const MAX_NODES = 400_000
const MAX_ATTRIBUTES = 64
const NAME = /[A-Za-z_:][\w:.-]*/y
const SPACE = /[ \t\r\n]*/y
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * Reads a whole XML document. There is no document type, so there are no entities but the five and character references: nothing grows by being read.
 *
 * @throws FormatError for what is not well-formed, has a document type, or is nested deeper than 64
 */
export function readXmlTree(text: string, path: string): XmlNode {
  return new XmlReader(text, path).read()
}

/** The part of a name behind its prefix. */
export function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

/** An element as it is written, with all that it holds. */
export function writeXmlNode(node: XmlNode | string): string {
  if (typeof node === 'string') return escapeText(node)
  const tag = startTag(node)
  return node.content.length === 0 ? `${tag}/>` : `${tag}>${node.content.map(writeXmlNode).join('')}</${node.name}>`
}

/** Its start tag, without the `>`. */
export function startTag({ name, attributes }: Pick<XmlNode, 'name' | 'attributes'>): string {
  return `<${name}${[...attributes].map(([key, value]) => ` ${key}="${escapeAttribute(value)}"`).join('')}`
}

/** Text between tags. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function escapeAttribute(text: string): string {
  return escapeText(text).replaceAll('"', '&quot;').replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')
}

class XmlReader {
  readonly #text: string
  readonly #path: string
  readonly #open: OpenNode[] = []
  #root: XmlNode | undefined
  #at = 0
  #nodes = 0

  constructor(text: string, path: string) {
    this.#text = text
    this.#path = path
  }

  read(): XmlNode {
    const text = this.#text
    while (this.#at < text.length) {
      if (text[this.#at] !== '<') this.#characters()
      else if (text.startsWith('<!--', this.#at)) this.#at = this.#after('-->', 4)
      else if (text.startsWith('<?', this.#at)) this.#at = this.#after('?>', 2)
      else if (text.startsWith('<![CDATA[', this.#at)) this.#section()
      else if (text.startsWith('<!', this.#at)) this.#fail('a document type, which is not read')
      else if (text.startsWith('</', this.#at)) this.#endTag()
      else this.#startTag()
    }
    if (this.#open.length > 0) this.#fail(`<${this.#open.at(-1)?.name}> is not closed`)
    return this.#root ?? this.#fail('no element')
  }

  #characters(): void {
    const next = this.#text.indexOf('<', this.#at)
    const end = next < 0 ? this.#text.length : next
    const raw = this.#text.slice(this.#at, end)
    const parent = this.#open.at(-1)
    if (parent) parent.content.push(this.#decoded(raw))
    else if (raw.trim() !== '') this.#fail('text outside the root')
    this.#at = end
    this.#count()
  }

  #section(): void {
    const end = this.#after(']]>', 9)
    const parent = this.#open.at(-1)
    if (!parent) this.#fail('text outside the root')
    else parent.content.push(this.#text.slice(this.#at + 9, end - 3))
    this.#at = end
    this.#count()
  }

  #endTag(): void {
    this.#at += 2
    const name = this.#take(NAME)
    this.#take(SPACE)
    if (this.#text[this.#at] !== '>') this.#fail(`</${name} without >`)
    this.#at++
    const node = this.#open.pop()
    if (node?.name !== name) this.#fail(`</${name}> closes <${node?.name}>`)
  }

  #startTag(): void {
    this.#at++
    const name = this.#take(NAME)
    if (name === '') this.#fail('a tag without a name')
    if (this.#root && this.#open.length === 0) this.#fail('a second root')
    if (this.#open.length === MAX_DEPTH) this.#fail(`elements nested deeper than ${MAX_DEPTH}`)
    const node: OpenNode = { name, attributes: this.#attributes(), content: [] }
    this.#root ??= node
    this.#open.at(-1)?.content.push(node)
    this.#count()
    if (this.#text[this.#at] === '/') this.#at++
    else this.#open.push(node)
    if (this.#text[this.#at] !== '>') this.#fail(`<${name} without >`)
    this.#at++
  }

  #attributes(): ReadonlyMap<string, string> {
    const attributes = new Map<string, string>()
    for (this.#take(SPACE); !/[/>]/.test(this.#text[this.#at] ?? '>'); this.#take(SPACE)) {
      const name = this.#take(NAME)
      this.#take(SPACE)
      if (name === '' || this.#text[this.#at] !== '=') this.#fail('an attribute without a value')
      this.#at++
      this.#take(SPACE)
      const quote = this.#text[this.#at] ?? ''
      if (quote !== '"' && quote !== "'") this.#fail(`${name} has no quoted value`)
      const end = this.#after(quote, 1)
      if (attributes.has(name)) this.#fail(`${name} twice`)
      if (attributes.size === MAX_ATTRIBUTES) this.#fail(`more than ${MAX_ATTRIBUTES} attributes`)
      attributes.set(name, this.#decoded(this.#text.slice(this.#at + 1, end - 1)))
      this.#at = end
    }
    return attributes
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    return found
  }

  #after(end: string, skip: number): number {
    const at = this.#text.indexOf(end, this.#at + skip)
    return at < 0 ? this.#fail(`no ${end}`) : at + end.length
  }

  #decoded(raw: string): string {
    if (!raw.includes('&')) return raw
    return raw.replace(/&([^;&]{0,32});?/g, (whole, name: string) => {
      const known = ENTITIES[name]
      if (known !== undefined && whole.endsWith(';')) return known
      const digits = /^#(?:x([\da-f]{1,6})|(\d{1,7}))$/i.exec(name)
      const code = digits ? Number.parseInt(digits[1] ?? digits[2] ?? '', digits[1] === undefined ? 10 : 16) : -1
      if (code < 1 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return this.#fail(`&${name}; is not known`)
      return String.fromCodePoint(code)
    })
  }

  #count(): void {
    if (++this.#nodes > MAX_NODES) this.#fail(`more than ${MAX_NODES} elements and texts`)
  }

  #fail(problem: string): never {
    throw new FormatError(this.#path, this.#at, problem)
  }
}
