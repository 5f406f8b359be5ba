import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** A request as it came: the target not decoded. */
export type SignedRequest = {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/([^/]+)\/s3\/aws4_request), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
const hmac = (key: Uint8Array | string, text: string) => createHmac('sha256', key).update(text).digest()

/**
 * What is wrong with a request's signature (AWS Signature Version 4), in the words of S3: s3rver looks at the key's name only. The
 * content has to be what was signed, too.
 */
export function signatureFault(
  { method, target, headers, body }: SignedRequest,
  accessKeyId: string,
  secretAccessKey: string,
): 'AccessDenied' | 'InvalidAccessKeyId' | 'SignatureDoesNotMatch' | 'XAmzContentSHA256Mismatch' | undefined {
  const match = AUTHORIZATION.exec(headers.authorization ?? '')
  if (!match) return 'AccessDenied'
  const [, keyId, scope = '', region = '', signed = '', signature] = match
  if (keyId !== accessKeyId) return 'InvalidAccessKeyId'
  const [path = '', query = ''] = target.split('?')
  const pairs = query === '' ? [] : query.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`))
  const names = signed.split(';')
  const lines = names.map((name) => `${name}:${String(headers[name] ?? '').trim()}`)
  const hash = String(headers['x-amz-content-sha256'])
  const canonical = [method, path, pairs.toSorted().join('&'), ...lines, '', signed, hash].join('\n')
  const date = String(headers['x-amz-date'])
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')
  const key = [date.slice(0, 8), region, 's3', 'aws4_request'].reduce<Uint8Array | string>(
    hmac,
    `AWS4${secretAccessKey}`,
  )
  if (hmac(key, toSign).toString('hex') !== signature) return 'SignatureDoesNotMatch'
  return hash === 'UNSIGNED-PAYLOAD' || hash === sha256(body) ? undefined : 'XAmzContentSHA256Mismatch'
}
