import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { chooseEncoding } from './accept-encoding.ts'
import type { Answer } from './answer.ts'

/** Who may keep a playlist that has a viewer's token in it: nobody but the player that asked for it, and it for no longer than it reads. */
const NO_STORE = 'private, no-store'
const HLS_TYPE = 'application/vnd.apple.mpegurl'
const SMALLEST_COMPRESSED = 860
const compress = promisify(gzip)

/** Lines whose URI leads to another playlist, which is to carry the token too. */
const PLAYLIST_TAGS = ['\n#EXT-X-MEDIA:', '\n#EXT-X-I-FRAME-STREAM-INF:', '\n#EXT-X-RENDITION-REPORT:']
const KEY_TAGS = ['\n#EXT-X-KEY:', '\n#EXT-X-SESSION-KEY:']
/** Its URI is the next line. */
const VARIANT_TAG = '\n#EXT-X-STREAM-INF:'
const NEWLINE = 0x0a
const QUERY = 0x3f

/** The token of a playlist's URL, that whoever can't add a header to requests for keys puts there; `undefined`: it has none. */
export function tokenOf(requestTarget: string): string | undefined {
  const start = requestTarget.indexOf('?')
  if (start < 0 || !requestTarget.includes('token=', start)) return undefined
  return new URLSearchParams(requestTarget.slice(start + 1).replace(/#.*$/, '')).get('token') || undefined
}

/**
 * A playlist with the token on the URLs of the playlists that it names, and of those keys that are got from us, which begin with `keysUrl`: nobody
 * else is told it. What everybody is given stays as it is, and what this viewer is given is his alone. The playlist is to come uncompressed; any
 * other answer stays what it is.
 */
export async function withCarriedToken(
  { headers: { 'accept-encoding': accepted } }: IncomingMessage,
  answer: Answer,
  token: string,
  keysUrl: string,
): Promise<Answer> {
  if (!isPlaylist(answer)) return answer
  const headers = privateHeaders(answer.headers)
  if (answer.status !== 200) return { ...answer, headers }
  const body = withToken(Buffer.concat(answer.chunks), token, keysUrl)
  const isZipped = chooseEncoding(String(accepted ?? '')) === 'gzip' && body.byteLength >= SMALLEST_COMPRESSED
  if (!isZipped) return { ...answer, headers, chunks: [body], sizeBytes: body.byteLength }
  // For one viewer, who asks again in a moment.
  const zipped = await compress(body, { level: constants.Z_BEST_SPEED })
  return {
    ...answer,
    headers: [...headers, 'Content-Encoding', 'gzip'],
    chunks: [zipped],
    sizeBytes: zipped.byteLength,
  }
}

function isPlaylist({ headers }: Answer): boolean {
  return headers.some((value, at) => value === HLS_TYPE && headers[at - 1] === 'Content-Type')
}

/** Without a validator: it would be that of what everybody is given. */
function privateHeaders(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2)
    if (name !== 'ETag') kept.push(name, name === 'Cache-Control' ? NO_STORE : value)
  }
  return kept
}

function withToken(body: Buffer, token: string, keysUrl: string): Buffer {
  const uris = [
    ...PLAYLIST_TAGS.flatMap((tag) => attributesOf(body, tag)),
    ...KEY_TAGS.flatMap((tag) => attributesOf(body, tag)).filter(({ from, to }) =>
      body.toString('utf8', from, to).startsWith(keysUrl),
    ),
    ...variantsOf(body),
  ].sort((a, b) => a.to - b.to)
  const given = `token=${encodeURIComponent(token)}`
  const [asFirst, asNext] = [Buffer.from(`?${given}`), Buffer.from(`&${given}`)]
  let at = 0
  const pieces = uris.flatMap(({ from, to }) => {
    const before = body.subarray(at, to)
    at = to
    return [before, body.subarray(from, to).includes(QUERY) ? asNext : asFirst]
  })
  return Buffer.concat([...pieces, body.subarray(at)])
}

/** A URI where it stands: `from` ≤ offset < `to`. */
type Uri = { readonly from: number; readonly to: number }

function attributesOf(body: Buffer, tag: string): Uri[] {
  return linesOf(body, tag).flatMap(({ from: start, to: end }) => {
    const at = body.subarray(start, end).indexOf('URI="')
    if (at < 0) return []
    const from = start + at + 5
    const length = body.subarray(from, end).indexOf('"')
    // A quote that is left open would put the token into another line.
    return length < 0 ? [] : [{ from, to: from + length }]
  })
}

function variantsOf(body: Buffer): Uri[] {
  return linesOf(body, VARIANT_TAG).map(({ to }) => ({ from: to + 1, to: endOf(body, to + 1) }))
}

function linesOf(body: Buffer, tag: string): Uri[] {
  const lines: Uri[] = []
  for (let at = body.indexOf(tag); at >= 0; at = body.indexOf(tag, at + 1)) {
    lines.push({ from: at + 1, to: endOf(body, at + 1) })
  }
  return lines
}

function endOf(body: Buffer, from: number): number {
  const end = body.indexOf(NEWLINE, from)
  return end < 0 ? body.byteLength : end
}
