/** Percent-encoded as RFC 8187 §3.2.1 has it. */
function extendedValue(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * Has a browser save what comes, and never show it, under this name (RFC 6266). Names outside of printable ASCII go in the
 * extended form, with a poorer one beside it for old clients; nothing of a name can end the header or the quotes.
 */
export function contentDisposition(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]/gu, '_').replaceAll(/["\\%;]/g, '_')
  const extended = plain === name ? '' : `; filename*=UTF-8''${extendedValue(name)}`
  return `attachment; filename="${plain}"${extended}`
}
