import { Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import type { BlobCall, BlobRead } from '../domain/blob-storage.ts'
import { AppError } from '../lib/errors.ts'
import type { ByteRange } from '../lib/http-conditions.ts'
import { truncated } from './file-reading.ts'
import { bodyOf, type S3Requests } from './s3-client.ts'
import { failureName, isMissing, isPassing, s3Error } from './s3-errors.ts'

/** What of an object is wanted; `ifMatch` where it is to be the same as before. */
type Wanted = { readonly range: ByteRange | undefined; readonly ifMatch?: string | undefined }

type Body = AsyncIterable<Uint8Array> & { destroy(): void }

/** An object whose answer has begun. */
type Opened = {
  readonly sizeBytes: number
  readonly first: number
  readonly last: number
  readonly etag: string | undefined
  readonly body: Body
}

/** So much since the last time that it broke off is progress. */
const PROGRESS_BYTES = 65_536

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+)$/

/** Reads the objects of one bucket; an answer that breaks off is taken up where it did. */
export class S3Reader {
  readonly #requests: S3Requests
  readonly #bucket: string

  constructor(requests: S3Requests, bucket: string) {
    this.#requests = requests
    this.#bucket = bucket
  }

  /** The bytes of a range; `undefined` where there is no such object. @throws AppError `BLOB_TRUNCATED` */
  async read(key: string, name: string, range: ByteRange, { signal }: BlobCall): Promise<Uint8Array | undefined> {
    const size = range.last - range.first + 1
    const attempt = async (ending: AbortSignal, open: Promise<GetObjectCommandOutput>) => {
      const opened = openedOf(await open, name, { range })
      // A body that isn't read to its end holds its connection.
      const stop = () => opened.body.destroy()
      ending.addEventListener('abort', stop, { once: true })
      try {
        return await collect(opened.body, size)
      } finally {
        stop()
      }
    }
    try {
      return await this.#requests.request(
        `reading ${name}`,
        (client, sdk, ending) => {
          const command = new sdk.GetObjectCommand(this.#input(key, { range }))
          return attempt(ending, client.send(command, { abortSignal: ending }))
        },
        { signal, bodyBytes: size },
      )
    } catch (error) {
      return absent(error, name, range)
    }
  }

  /** The object, or a range of it, as a stream; `onEnd` is called once when nothing more is read. */
  async stream(
    key: string,
    name: string,
    range: ByteRange | undefined,
    { signal }: BlobCall,
    onEnd: () => void,
  ): Promise<BlobRead | undefined> {
    const opened = await this.#open(key, name, { range }, signal).catch((error: unknown) => absent(error, name, range))
    if (opened === undefined) return undefined
    const ended = new AbortController()
    const ending = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal
    const stream = Readable.from(this.#pieces(key, name, opened, ending), { objectMode: false })
    stream.once('close', () => {
      ended.abort(new AppError('STOPPED', 'The reading was given up.'))
      opened.body.destroy()
      onEnd()
    })
    // Whoever reads hears of it as well; before anybody does, a failure must not be one that nobody listens to.
    stream.on('error', () => undefined)
    signal?.addEventListener('abort', () => stream.destroy(asError(signal.reason)), {
      once: true,
      signal: ended.signal,
    })
    return { sizeBytes: opened.sizeBytes, stream }
  }

  #input(key: string, { range, ifMatch }: Wanted) {
    return {
      Bucket: this.#bucket,
      Key: key,
      ...(range && { Range: `bytes=${range.first}-${range.last}` }),
      ...(ifMatch !== undefined && { IfMatch: ifMatch }),
    }
  }

  async #open(key: string, name: string, wanted: Wanted, signal: AbortSignal | undefined): Promise<Opened> {
    const output = await this.#requests.request(
      `reading ${name}`,
      (client, sdk, ending) => client.send(new sdk.GetObjectCommand(this.#input(key, wanted)), { abortSignal: ending }),
      { signal },
    )
    return openedOf(output, name, wanted)
  }

  /** The pieces of the body; what breaks off is asked for again from there, of the same object. */
  async *#pieces(key: string, name: string, opened: Opened, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { attempts, requestMs } = this.#requests.limits
    let { body } = opened
    let next = opened.first
    let failures = 0
    let gained = 0
    for (;;) {
      const iterator = body[Symbol.asyncIterator]()
      try {
        for (;;) {
          const { done, value } = await this.#requests.within(requestMs, signal, () => iterator.next())
          if (done) break
          next += value.byteLength
          gained += value.byteLength
          yield value
        }
        if (next === opened.last + 1) return
        throw Object.assign(new Error('the answer ended too early'), { code: 'ECONNRESET' })
      } catch (error) {
        signal.throwIfAborted()
        // Who takes hours over a film may well be cut off more often than that: what counts is whether it goes on.
        failures = gained >= PROGRESS_BYTES ? 1 : failures + 1
        gained = 0
        if (failures >= attempts || opened.etag === undefined || !isPassing(error)) {
          throw s3Error(error, `reading ${name}`)
        }
      } finally {
        body.destroy()
      }
      const rest = { range: { first: next, last: opened.last }, ifMatch: opened.etag }
      body = (await this.#open(key, name, rest, signal)).body
    }
  }
}

/** What of the object came back. @throws AppError `BLOB_TRUNCATED`; `STORAGE_DOWN` for an answer to another question */
function openedOf(output: GetObjectCommandOutput, name: string, { range }: Wanted): Opened {
  const body = bodyOf(output.Body, name)
  const match = CONTENT_RANGE.exec(output.ContentRange ?? '')
  const length = output.ContentLength ?? 0
  const [first, last, sizeBytes] = match ? match.slice(1).map(Number) : [0, length - 1, length]
  const opened = { body, first: first ?? 0, last: last ?? 0, sizeBytes: sizeBytes ?? 0, etag: output.ETag }
  if (range === undefined || (range.first === first && range.last === last)) return opened
  body.destroy()
  if (range.last >= opened.sizeBytes) throw truncated(name, range, opened.sizeBytes)
  throw new AppError('STORAGE_DOWN', `The object store gave other bytes of ${name} than it was asked for.`)
}

/** `undefined` for an object that isn't there. @throws anything else; a range past its end as `BLOB_TRUNCATED` */
function absent(thrown: unknown, name: string, range: ByteRange | undefined): undefined {
  const cause = thrown instanceof AppError ? thrown.cause : thrown
  if (isMissing(cause)) return undefined
  if (range && failureName(cause) === 'InvalidRange') throw truncated(name, range)
  throw thrown
}

async function collect(body: Body, size: number): Promise<Uint8Array> {
  // Every byte of it is written, or it is not given to anybody: it needn't be cleared first.
  const bytes = Buffer.allocUnsafeSlow(size)
  let filled = 0
  for await (const piece of body) {
    if (filled + piece.byteLength > size) break
    bytes.set(piece, filled)
    filled += piece.byteLength
  }
  if (filled === size) return bytes
  throw Object.assign(new Error('the answer ended too early'), { code: 'ECONNRESET' })
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
