import { AppError } from '../lib/errors.ts'

const MAX_PARTS = 8
const MAX_PART_BYTES = 240

function invalid(name: string, rule: string): AppError {
  return new AppError('STORE_INPUT_INVALID', `A blob can't be named ${JSON.stringify(name.slice(0, 80))}: ${rule}.`)
}

/** Percent-encoded but for what every file system takes; a leading dot too, so that no part is `.`, `..` or hidden. */
function encodePart(name: string, part: string): string {
  if (part === '') throw invalid(name, 'no part of it may be empty')
  if (!part.isWellFormed()) throw invalid(name, 'it is no well-formed Unicode')
  const encoded = encodeURIComponent(part)
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/^\./, '%2E')
  if (encoded.length > MAX_PART_BYTES) throw invalid(name, `a part of it is longer than ${MAX_PART_BYTES} bytes`)
  return encoded
}

/** The file names that a blob's name becomes, none of which leads anywhere else. @throws AppError `STORE_INPUT_INVALID` */
export function encodeBlobName(name: string): string[] {
  const parts = name.split('/')
  if (parts.length > MAX_PARTS) throw invalid(name, `it has more than ${MAX_PARTS} parts`)
  return parts.map((part) => encodePart(name, part))
}

/** The part that a file's name stands for; `undefined` for a file that no blob was ever written to. */
export function decodePart(file: string): string | undefined {
  try {
    const part = decodeURIComponent(file)
    return encodePart(part, part) === file ? part : undefined
  } catch {
    return undefined
  }
}
