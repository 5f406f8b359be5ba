/** What those who speak a language call it, from its BCP 47 tag; `undefined` for one that nobody has heard of. `und` is `Text`. */
export function languageName(tag: string): string | undefined {
  if (tag === 'und') return 'Text'
  try {
    const name = new Intl.DisplayNames([tag], { type: 'language', fallback: 'none' }).of(tag)
    return name && name.charAt(0).toLocaleUpperCase(tag) + name.slice(1)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
