import type { BlobInfo } from '../domain/blob-storage.ts'
import { firstIndex } from '../lib/first-index.ts'

/** The first byte of what a name may hold unencoded (`-`): a plain character never sorts before it. */
const FIRST_PLAIN = 0x2d
const ENCODED = /%([0-9A-F]{2})/g

/** Names in the order of their UTF-8 bytes. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/**
 * The least that a name can begin with whose key comes after this one. `%` sorts before every plain character, so that keys run
 * ahead of their names only where they have an encoded byte that would sort after a plain one.
 */
function boundOf(key: string): string | undefined {
  for (const { 1: hex = '', index } of key.matchAll(ENCODED)) {
    if (Number.parseInt(hex, 16) > FIRST_PLAIN) return `${key.slice(0, index)}-`
  }
  return undefined
}

/** The bytes of a key as its name has them; a key cut in the middle of a character too. */
function bytesOf(key: string): Buffer {
  return Buffer.from(
    key.replaceAll(ENCODED, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

type Held = { readonly bytes: Buffer; readonly blob: BlobInfo }

/**
 * What comes in the order of its keys, in that of its names. Held back is only what has a key that runs ahead: of plain names,
 * nothing ever.
 */
export async function* inNameOrder(
  listed: AsyncIterable<{ readonly key: string; readonly blob: BlobInfo }>,
): AsyncGenerator<BlobInfo> {
  const held: Held[] = []
  for await (const { key, blob } of listed) {
    const bytes = bytesOf(key)
    insert(held, { bytes, blob })
    const bound = boundOf(key)
    const isDue = bound === undefined ? undefined : bytesOf(bound)
    while (held[0] && (isDue ? Buffer.compare(held[0].bytes, isDue) < 0 : Buffer.compare(held[0].bytes, bytes) <= 0)) {
      const next = held.shift()
      if (next) yield next.blob
    }
  }
  for (const { blob } of held) yield blob
}

function insert(held: Held[], entry: Held): void {
  const at = firstIndex(0, held.length, (index) => Buffer.compare(held[index]?.bytes ?? entry.bytes, entry.bytes) > 0)
  held.splice(at, 0, entry)
}
