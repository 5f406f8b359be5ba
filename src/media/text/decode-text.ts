import { FormatError } from '../../lib/errors.ts'
import { TEXT_LIMITS } from './text-document.ts'

/**
 * The text of a file without its byte order mark: UTF-8, or UTF-16 where the mark says so; what is no character becomes U+FFFD.
 * @throws FormatError where it is longer than `TEXT_LIMITS`
 */
export function decodeText(bytes: Uint8Array, path: string): string {
  if (bytes.byteLength > TEXT_LIMITS.sourceBytes) {
    throw new FormatError(path, 0, `${bytes.byteLength} bytes, at most ${TEXT_LIMITS.sourceBytes} are read`)
  }
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  return new TextDecoder('utf-8').decode(bytes)
}
