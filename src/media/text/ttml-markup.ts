import { type StyleAttributes, styleIds, type TtmlLayout } from './ttml-layout.ts'
import { escapeText, localName, type XmlNode } from './xml-tree.ts'

/** The colours that players of WebVTT know by a class (WebVTT §5), and what TTML calls them. */
const COLORS: Readonly<Record<string, string>> = {
  white: 'white',
  '#ffffff': 'white',
  lime: 'lime',
  '#00ff00': 'lime',
  cyan: 'cyan',
  aqua: 'cyan',
  '#00ffff': 'cyan',
  red: 'red',
  '#ff0000': 'red',
  yellow: 'yellow',
  '#ffff00': 'yellow',
  magenta: 'magenta',
  fuchsia: 'magenta',
  '#ff00ff': 'magenta',
  blue: 'blue',
  '#0000ff': 'blue',
  black: 'black',
  '#000000': 'black',
}

/** Whether an element holds any text that is shown. */
export function hasText({ name, content }: XmlNode): boolean {
  if (localName(name) === 'metadata') return false
  return content.some((child) => (typeof child === 'string' ? child.trim() !== '' : hasText(child)))
}

/** The content of a paragraph as WebVTT cue text: italics, bold, underlined, the eight colours; space as `xml:space` has it. */
export function cueTextOf(paragraph: XmlNode, layout: TtmlLayout, style: StyleAttributes, preserves: boolean): string {
  const text = marked(style, new Map(), content(paragraph, layout, style, preserves))
  return text
    .split('\n')
    .map((line) => (preserves ? line : line.trim()))
    .filter((line) => line !== '')
    .join('\n')
}

function content(
  { content: children }: XmlNode,
  layout: TtmlLayout,
  outer: StyleAttributes,
  preserves: boolean,
): string {
  return children
    .map((child) => {
      if (typeof child === 'string') return escapeText(preserves ? child : child.replace(/[ \t\r\n]+/g, ' '))
      const name = localName(child.name)
      if (name === 'br') return '\n'
      if (name !== 'span') return ''
      const style = layout.styleOf(layout.referenced(styleIds(child), outer), child.attributes)
      const space = child.attributes.get('xml:space')
      const keeps = space === undefined ? preserves : space === 'preserve'
      return marked(style, outer, content(child, layout, style, keeps))
    })
    .join('')
}

/** Text in the tags of what its style has and what is around it has not. */
function marked(style: StyleAttributes, outer: StyleAttributes, text: string): string {
  if (text.trim() === '') return text
  let result = text
  const isNew = (name: string, pattern: RegExp) =>
    pattern.test(style.get(name) ?? '') && !pattern.test(outer.get(name) ?? '')
  if (isNew('textDecoration', /\bunderline\b/)) result = `<u>${result}</u>`
  if (isNew('fontStyle', /^(italic|oblique)$/)) result = `<i>${result}</i>`
  if (isNew('fontWeight', /^bold$/)) result = `<b>${result}</b>`
  const color = colorOf(style)
  if (color !== undefined && color !== (colorOf(outer) ?? 'white')) result = `<c.${color}>${result}</c>`
  return result
}

function colorOf(style: StyleAttributes): string | undefined {
  const color = (style.get('color') ?? '').toLowerCase().replace(/^(#[\da-f]{6})ff$/, '$1')
  return Object.hasOwn(COLORS, color) ? COLORS[color] : undefined
}
