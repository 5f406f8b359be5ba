import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import S3rver from 's3rver'
import type { S3Options } from '../../src/storage/s3-settings.ts'
import { signatureFault } from './s3-signature.ts'

/** A request as the service gets it. */
export type S3Request = {
  readonly method: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

type Answer = { readonly status: number; readonly headers: Record<string, string>; readonly body: Buffer }

/** What is done to a request instead of serving it; `undefined` lets it pass. */
export type Fault = (
  request: S3Request,
) => 'hang' | 'cut' | 'lose-answer' | 'truncate' | { status: number; code: string } | undefined

type Part = { readonly size: number; readonly md5: Buffer; at: Date }
type Upload = { readonly key: string; begun: Date; readonly parts: Map<number, Part> }

/** An S3 service over HTTP. */
export type S3Server = {
  readonly url: string
  readonly bucket: string
  readonly requests: S3Request[]
  /** Multipart uploads that are neither complete nor aborted. */
  readonly uploads: ReadonlyMap<string, Upload>
  fault: Fault | undefined
  /** How many objects a page of a list has. */
  pageSize: number
  /** The one that goes with the access key. */
  secret: string
  /** The options of a storage in it, each with a prefix of its own unless one is given. */
  options(given?: { prefix?: string; limits?: S3Options['limits']; clock?: S3Options['clock'] }): S3Options
  /** Cuts every connection and takes no more. */
  down(): Promise<void>
  close(): Promise<void>
}

const BUCKET = 'media'
const KEY = 'S3RVER'
/** Past that s3rver pages by itself, in another order than that of keys. */
const MAX_OBJECTS = 500

const xml = (text: string) => Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`)
const errorAnswer = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: xml(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`),
})
const textOf = (text: string, tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1] ?? ''

const gone = errorAnswer(404, 'NoSuchUpload')
const xmlAnswer = { status: 200, headers: { 'content-type': 'application/xml' } }

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(message))
}

/**
 * s3rver, with a front before it that does what S3 does and it does not: an object is written whole or not at all, and read as it
 * was when the reading began; lists are in the order of keys, in pages; single-byte ranges, lists of uploads and of their parts,
 * and copies of parts work, and signatures are looked at. The front is also where faults are made.
 */
export async function startS3(): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 's3-'))
  const service = new S3rver({
    ...{ address: '127.0.0.1', port: 0, silent: true, directory, vhostBuckets: false },
    configureBuckets: [{ name: BUCKET, configs: [] }],
  })
  const { port } = await service.run()
  const front = new Front(port)
  const server = createServer((incoming, outgoing) => void front.serve(incoming, outgoing))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let count = 0
  const down = async () => {
    if (!server.listening) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    url,
    bucket: BUCKET,
    requests: front.requests,
    uploads: front.uploads,
    get fault() {
      return front.fault
    },
    set fault(fault) {
      front.fault = fault
    },
    get pageSize() {
      return front.pageSize
    },
    set pageSize(pageSize) {
      front.pageSize = pageSize
    },
    get secret() {
      return front.secret
    },
    set secret(secret) {
      front.secret = secret
    },
    options(given = {}) {
      count += 1
      const place = { endpoint: url, region: 'us-east-1', bucket: BUCKET, forcePathStyle: true }
      return {
        place: { ...place, prefix: given.prefix ?? `storage-${count}` },
        credentials: { accessKeyId: KEY, secretAccessKey: KEY },
        allowPrivateEndpoint: true,
        ...(given.limits && { limits: given.limits }),
        ...(given.clock && { clock: given.clock }),
      }
    },
    down,
    async close() {
      await down()
      await service.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

class Front {
  readonly requests: S3Request[] = []
  readonly uploads = new Map<string, Upload>()
  fault: Fault | undefined
  pageSize = 1_000
  secret = KEY
  /** Of objects made of parts: s3rver gives them another than S3. */
  readonly #etags = new Map<string, string>()
  readonly #port: number
  /** One after the other: s3rver removes empty folders while others write to them. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(port: number) {
    this.#port = port
  }

  async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    // What has not come whole is never served.
    const body = await bodyOf(incoming).catch(() => undefined)
    if (body === undefined) return
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://s3')
    const key = decodeURIComponent(pathname.slice(BUCKET.length + 2))
    const asked = { method: incoming.method ?? '', key, query: searchParams, headers: incoming.headers, body }
    this.requests.push(asked)
    const denied = signatureFault({ ...asked, target: incoming.url ?? '' }, KEY, this.secret)
    if (denied) return send(outgoing, errorAnswer(403, denied))
    const fault = this.fault?.(asked)
    if (fault === 'hang') return
    if (fault === 'cut') {
      outgoing.destroy()
      return
    }
    if (typeof fault === 'object') return send(outgoing, errorAnswer(fault.status, fault.code))
    const served = this.#last.then(() => this.#answer(asked, incoming.url ?? ''))
    this.#last = served.catch(() => undefined)
    const answer = await served.catch(() => errorAnswer(500, 'InternalError'))
    if (fault === 'lose-answer') {
      outgoing.destroy()
      return
    }
    if (fault !== 'truncate') return send(outgoing, answer)
    outgoing.writeHead(answer.status, answer.headers)
    outgoing.write(answer.body.subarray(0, answer.body.byteLength / 2), () => outgoing.destroy())
  }

  async #answer(asked: S3Request, target: string): Promise<Answer> {
    const { method, key, query, headers } = asked
    const uploadId = query.get('uploadId')
    if (method === 'GET' && query.has('uploads')) return this.#listUploads(query.get('prefix') ?? '')
    if (method === 'GET' && uploadId !== null) return this.#listParts(uploadId)
    if (method === 'DELETE' && uploadId !== null) {
      return this.uploads.delete(uploadId) ? { status: 204, headers: {}, body: Buffer.alloc(0) } : gone
    }
    if (uploadId !== null && !this.uploads.has(uploadId)) return gone
    if (method === 'GET' && headers.range !== undefined) return this.#range(asked, target)
    if (method === 'PUT' && uploadId !== null && headers['x-amz-copy-source-range'] !== undefined) {
      return this.#copyPart(asked, target)
    }
    if (query.has('list-type')) return this.#list(query, headers)
    const answer = await this.#pass(asked, target, headers, asked.body)
    if (method === 'POST' && query.has('uploads')) {
      this.uploads.set(textOf(answer.body.toString(), 'UploadId'), { key, begun: new Date(), parts: new Map() })
    } else if (method === 'PUT' && uploadId !== null) this.#partCame(uploadId, query, asked.body)
    else if (method === 'POST' && uploadId !== null && answer.status === 200) this.#completed(uploadId, key)
    else if (method === 'PUT') this.#etags.delete(key)
    return this.#withEtag(key, answer)
  }

  #completed(uploadId: string, key: string): void {
    const digest = createHash('md5')
    const parts = [...(this.uploads.get(uploadId)?.parts ?? [])].toSorted(([a], [b]) => a - b)
    for (const [, { md5 }] of parts) digest.update(md5)
    this.#etags.set(key, `"${digest.digest('hex')}-${parts.length}"`)
    this.uploads.delete(uploadId)
  }

  #withEtag(key: string, answer: Answer): Answer {
    const etag = this.#etags.get(key)
    if (etag === undefined || answer.headers['etag'] === undefined) return answer
    return { ...answer, headers: { ...answer.headers, etag } }
  }

  #partCame(uploadId: string, query: URLSearchParams, body: Buffer): void {
    const part = { size: body.byteLength, md5: createHash('md5').update(body).digest(), at: new Date() }
    this.uploads.get(uploadId)?.parts.set(Number(query.get('partNumber')), part)
  }

  /** Objects under a prefix in the order of their keys, a page at a time. */
  async #list(query: URLSearchParams, { host = '' }: IncomingMessage['headers']): Promise<Answer> {
    const target = `/${BUCKET}?list-type=2&prefix=${encodeURIComponent(query.get('prefix') ?? '')}`
    const asked = { method: 'GET', key: '', query, headers: { host }, body: Buffer.alloc(0) }
    const answer = await this.#pass(asked, target, { host }, asked.body)
    const text = answer.body.toString()
    const keyOf = (entry: string) => Buffer.from(textOf(entry, 'Key'))
    const entries = text.match(/<Contents>.*?<\/Contents>/gs) ?? []
    if (entries.length > MAX_OBJECTS) throw new Error('keep lists short')
    const from = Buffer.from(query.get('continuation-token') ?? '')
    const left = entries
      .filter((entry) => Buffer.compare(keyOf(entry), from) > 0)
      .toSorted((a, b) => Buffer.compare(keyOf(a), keyOf(b)))
    const page = left.slice(0, this.pageSize)
    const isTruncated = page.length < left.length
    const next = isTruncated ? `<NextContinuationToken>${keyOf(page.at(-1) ?? '')}</NextContinuationToken>` : ''
    const head = `<IsTruncated>${isTruncated}</IsTruncated>${next}`
    return { ...xmlAnswer, body: xml(`<ListBucketResult>${head}${page.join('')}</ListBucketResult>`) }
  }

  #listUploads(prefix: string): Answer {
    const entries = [...this.uploads]
      .filter(([, { key }]) => key.startsWith(prefix))
      .map(
        ([id, { key, begun }]) =>
          `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${begun.toISOString()}</Initiated></Upload>`,
      )
    const text = `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListMultipartUploadsResult>`
    return { ...xmlAnswer, body: xml(text) }
  }

  #listParts(uploadId: string): Answer {
    const upload = this.uploads.get(uploadId)
    if (!upload) return gone
    const entries = [...upload.parts].map(
      ([number, { size, at }]) =>
        `<Part><PartNumber>${number}</PartNumber><Size>${size}</Size><LastModified>${at.toISOString()}</LastModified></Part>`,
    )
    const text = `<ListPartsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListPartsResult>`
    return { ...xmlAnswer, body: xml(text) }
  }

  async #range(asked: S3Request, target: string): Promise<Answer> {
    const { range = '', ...headers } = asked.headers
    const match = headers['if-match']
    const whole = this.#withEtag(asked.key, await this.#pass(asked, target, headers, asked.body))
    if (whole.status !== 200) return whole
    if (match !== undefined && match !== whole.headers['etag']) return errorAnswer(412, 'PreconditionFailed')
    const size = whole.body.byteLength
    const [from = '', to = ''] = range.replace('bytes=', '').split('-')
    if (Number(from) >= size) return errorAnswer(416, 'InvalidRange')
    const last = Math.min(Number(to), size - 1)
    const body = whole.body.subarray(Number(from), last + 1)
    const described = { 'content-length': String(body.byteLength), 'content-range': `bytes ${from}-${last}/${size}` }
    return { status: 206, headers: { ...whole.headers, ...described }, body }
  }

  async #copyPart(asked: S3Request, target: string): Promise<Answer> {
    const source = decodeURIComponent(String(asked.headers['x-amz-copy-source']))
    const path = `/${source.split('/').map(encodeURIComponent).join('/')}`
    const { host = '' } = asked.headers
    const whole = await this.#pass({ ...asked, method: 'GET' }, path, { host }, Buffer.alloc(0))
    if (whole.status !== 200) return whole
    const [from, to] = String(asked.headers['x-amz-copy-source-range']).replace('bytes=', '').split('-').map(Number)
    const body = whole.body.subarray(from, (to ?? 0) + 1)
    const put = await this.#pass(asked, target, { host, 'content-length': String(body.byteLength) }, body)
    if (put.status !== 200) return put
    this.#partCame(asked.query.get('uploadId') ?? '', asked.query, body)
    const etag = createHash('md5').update(body).digest('hex')
    return { ...put, body: xml(`<CopyPartResult><ETag>"${etag}"</ETag></CopyPartResult>`) }
  }

  /** Has s3rver answer; without a signature among the headers it takes the request as anybody's. */
  async #pass(asked: S3Request, path: string, headers: IncomingMessage['headers'], body: Buffer): Promise<Answer> {
    const passed = request({ host: '127.0.0.1', port: this.#port, method: asked.method, path, headers, agent: false })
    passed.end(body)
    const [answered] = (await once(passed, 'response')) as [IncomingMessage]
    const { connection: _connection, 'transfer-encoding': _encoding, ...rest } = answered.headers
    const given = await bodyOf(answered)
    return { status: answered.statusCode ?? 500, headers: rest as Record<string, string>, body: given }
  }
}

function send(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  outgoing.writeHead(status, { ...headers, ...(body.byteLength > 0 && { 'content-length': String(body.byteLength) }) })
  outgoing.end(body)
}
