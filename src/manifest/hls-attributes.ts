/** RFC 8216 §4.2: a quoted string can hold neither a quote nor a line break, so these are left out. */
export function quoted(text: string): string {
  return `"${text.replace(/["\r\n]/g, '')}"`
}

/** A tag with its attribute list, without the attributes that are `undefined`. */
export function tagWith(tag: string, attributes: Readonly<Record<string, string | number | undefined>>): string {
  const list = Object.entries(attributes).filter(([, value]) => value !== undefined)
  return `#${tag}:${list.map(([name, value]) => `${name}=${value}`).join(',')}`
}
