declare const escaped: unique symbol

/** Text that is XML already: made by `element`, never from outside. */
export type Xml = string & { readonly [escaped]: true }

type AttributeValue = string | number | boolean | undefined

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
}

/** Everything that XML 1.0 §2.2 has no way to write. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must go
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu

/** Text as it stands in an element or an attribute. */
export function escapeXml(text: string): Xml {
  return text.replace(UNWRITABLE, '').replace(/[&<>"\n\r\t]/g, (character) => entities[character] ?? '') as Xml
}

/** An element, a line each; attributes that are `undefined` are left out. */
export function element(
  name: string,
  attributes: Readonly<Record<string, AttributeValue>>,
  children: readonly Xml[] = [],
): Xml {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([attribute, value]) => ` ${attribute}="${escapeXml(String(value))}"`)
    .join('')
  if (children.length === 0) return `<${name}${list}/>` as Xml
  return `<${name}${list}>\n${children.join('\n')}\n</${name}>` as Xml
}

/** An element that holds text. */
export function textElement(name: string, text: string): Xml {
  return `<${name}>${escapeXml(text)}</${name}>` as Xml
}
