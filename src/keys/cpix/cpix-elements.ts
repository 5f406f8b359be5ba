import { AppError } from '../../lib/errors.ts'
import { localName, type XmlNode } from '../../media/text/xml-tree.ts'

/** The children of this name, whatever its prefix. */
export function childrenOf(node: XmlNode, name: string): XmlNode[] {
  return node.content.filter((child): child is XmlNode => typeof child !== 'string' && localName(child.name) === name)
}

/** The one child of this name. @throws AppError `FORMAT_INVALID` where there is none, or more */
export function childOf(node: XmlNode, name: string): XmlNode {
  const [child, another] = childrenOf(node, name)
  if (child && !another) return child
  const what = another ? 'several' : 'no'
  throw new AppError('FORMAT_INVALID', `there is ${what} <${name}> in <${localName(node.name)}>`)
}

/** An attribute; empty where it is absent. */
export function attributeOf(node: XmlNode, name: string): string {
  return node.attributes.get(name) ?? ''
}

/** The base64 text of an element; `undefined` where it is empty. @throws AppError `FORMAT_INVALID` for what is none, or too much */
export function base64Of(node: XmlNode, maxBytes: number): string | undefined {
  const text = node.content
    .map((child) => (typeof child === 'string' ? child : '<'))
    .join('')
    .replace(/[ \t\r\n]+/g, '')
  if (text === '') return undefined
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)
  if (!isBase64) throw new AppError('FORMAT_INVALID', `<${localName(node.name)}> holds no base64`)
  if ((text.length / 4) * 3 > maxBytes + 2) {
    throw new AppError('FORMAT_INVALID', `<${localName(node.name)}> holds more than ${maxBytes} bytes`)
  }
  return text
}

/** The bytes of an element. @throws AppError `FORMAT_INVALID` */
export function bytesOf(node: XmlNode, maxBytes: number): Uint8Array {
  return Buffer.from(base64Of(node, maxBytes) ?? '', 'base64')
}
