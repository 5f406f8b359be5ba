import { AppError } from '../../lib/errors.ts'
import { readXmlTree, writeXmlNode, type XmlNode } from '../../media/text/xml-tree.ts'

/** Prefixes that manifests declare on the element around, where an element within has them. */
const DECLARED_AROUND = ['cenc', 'mspr', 'dashif']
/** XML 1.0 §2.2 has no others, not even as references. */
const NO_CHARACTER = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'

type Scope = ReadonlyMap<string, string>

/**
 * Elements that may stand within another, written anew: a browser reads a manifest whole or not at all, so what is in it has to be well-formed to the letter, its
 * namespaces too (Namespaces in XML 1.0). Comments, instructions and an XML declaration are left out. `undefined`: there is nothing else.
 * @throws AppError `FORMAT_INVALID`
 */
export function markupWithin(bytes: Uint8Array): string | undefined {
  const root = readXmlTree(`<ContentProtection>${textOf(bytes)}</ContentProtection>`, 'ContentProtectionData')
  const around = new Map([['xml', XML_NAMESPACE], ...DECLARED_AROUND.map((prefix) => [prefix, prefix] as const)])
  for (const child of root.content) if (typeof child !== 'string') checkNames(child, around)
  const text = root.content.map(writeXmlNode).join('').trim()
  if (NO_CHARACTER.test(text)) throw wrong('has a control character')
  return text === '' ? undefined : text
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AppError('FORMAT_INVALID', '<ContentProtectionData> holds no UTF-8', { cause })
  }
}

function checkNames({ name, attributes, content }: XmlNode, outer: Scope): void {
  const scope = scopeOf(attributes, outer)
  namespaceOf(name, scope)
  const seen = new Set<string>()
  for (const attribute of attributes.keys()) {
    if (attribute === 'xmlns' || attribute.startsWith('xmlns:')) continue
    const [prefix, local] = partsOf(attribute)
    // Around are declared those of elements alone.
    if (prefix !== undefined && DECLARED_AROUND.includes(scope.get(prefix) ?? '')) throw undeclared(attribute)
    const expanded = prefix === undefined ? local : `${namespaceOf(attribute, scope)} ${local}`
    if (seen.has(expanded)) throw wrong(`has the attribute ${quoted(attribute)} twice`)
    seen.add(expanded)
  }
  for (const child of content) if (typeof child !== 'string') checkNames(child, scope)
}

function scopeOf(attributes: XmlNode['attributes'], outer: Scope): Scope {
  const scope = new Map(outer)
  for (const [attribute, uri] of attributes) {
    if (!attribute.startsWith('xmlns:')) continue
    const prefix = attribute.slice(6)
    if (uri === '' || prefix === '' || prefix.includes(':') || /^xml/i.test(prefix)) {
      throw wrong(`declares no prefix by ${quoted(attribute)}`)
    }
    scope.set(prefix, uri)
  }
  return scope
}

function namespaceOf(name: string, scope: Scope): string {
  const [prefix] = partsOf(name)
  if (prefix === undefined) return ''
  const namespace = scope.get(prefix)
  if (namespace === undefined) throw undeclared(name)
  return namespace
}

function partsOf(name: string): [prefix: string | undefined, local: string] {
  const parts = name.split(':')
  if (parts.length > 2 || parts.some((part) => !/^[A-Za-z_]/.test(part))) throw wrong(`has the name ${quoted(name)}`)
  const [first = '', second] = parts
  return second === undefined ? [undefined, first] : [first, second]
}

function undeclared(name: string): AppError {
  return wrong(`has ${quoted(name)}, whose prefix is not declared`)
}

function quoted(name: string): string {
  return `"${name.slice(0, 64)}"`
}

function wrong(problem: string): AppError {
  return new AppError('FORMAT_INVALID', `<ContentProtectionData> ${problem}`)
}
