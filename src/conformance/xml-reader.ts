/** An element of an XML document, as far as manifests need it: no namespaces, no entities but the five, no CDATA. */
export type XmlElement = {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly XmlElement[]
  readonly text: string
}

type OpenElement = { name: string; attributes: Map<string, string>; children: XmlElement[]; text: string }

const TOKEN =
  /<\?[^>]*\?>|<!--[\s\S]*?-->|<\/([\w:.-]+)\s*>|<([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/gy
const ATTRIBUTE = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The root element; `undefined` for what is not well-formed. */
export function readXml(text: string): XmlElement | undefined {
  const open: OpenElement[] = []
  let root: XmlElement | undefined
  let end = 0
  for (const match of text.matchAll(TOKEN)) {
    end = match.index + match[0].length
    const [, closed, opened, attributes = '', empty, between] = match
    if (between !== undefined) {
      const parent = open.at(-1)
      if (parent) parent.text += decodeEntities(between)
      else if (between.trim() !== '') return undefined
    } else if (opened !== undefined) {
      if (root) return undefined
      const element: OpenElement = { name: opened, attributes: readAttributes(attributes), children: [], text: '' }
      open.at(-1)?.children.push(element)
      if (empty !== '/') open.push(element)
      else if (open.length === 0) root = element
    } else if (closed !== undefined) {
      const element = open.pop()
      if (element?.name !== closed) return undefined
      if (open.length === 0) root = element
    }
  }
  return end === text.length && open.length === 0 ? root : undefined
}

function readAttributes(text: string): Map<string, string> {
  return new Map([...text.matchAll(ATTRIBUTE)].map(([, name = '', a, b]) => [name, decodeEntities(a ?? b ?? '')]))
}

function decodeEntities(text: string): string {
  return text.replace(/&(#x[\da-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name] ?? whole
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
