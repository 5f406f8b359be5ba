import type { MessagePort } from 'node:worker_threads'
import type { DeliveryReport } from '../keys/delivery-reports.ts'
import { AppError, type ErrorCode, errorCatalog, messageOf } from '../lib/errors.ts'
import type { BrokenText } from './text-source.ts'

/** What an origin thread may ask of the node. */
export type HouseRequest =
  /** A segment that is in memory nowhere and has not come to storage. */
  | {
      readonly kind: 'spooled'
      readonly presentationId: string
      readonly renditionIndex: number
      readonly sequence: number
    }
  /** Whether a locator that is not published leads to a recording, or to uploaded files; it is published then. */
  | { readonly kind: 'wake'; readonly locatorId: string }
  /** A text file that can't be shown is to be told of. */
  | ({ readonly kind: 'broken-text' } & BrokenText)
  /** A content key and who gets it (see `key-grants.ts`). */
  | { readonly kind: 'key'; readonly keyId: string }
  /** What became of requests for keys. */
  | { readonly kind: 'key-reports'; readonly reports: readonly DeliveryReport[] }

/** What answers them; rejects with an `AppError` that the viewer is answered with. */
export type HouseDesk = {
  spooled(presentationId: string, renditionIndex: number, sequence: number): Promise<readonly Uint8Array[] | undefined>
  wake(locatorId: string): Promise<void>
  /** Absent: nobody is told. */
  brokenText?(text: BrokenText): void
  /** As `encodeGrant` has it. */
  contentKey?(keyId: string): Promise<readonly Uint8Array[] | undefined>
  keyReports?(reports: readonly DeliveryReport[]): Promise<void>
}

type Question = { readonly id: number; readonly request: HouseRequest }
type Reply =
  | { readonly id: number; readonly result: readonly Uint8Array[] | undefined }
  | { readonly id: number; readonly code: ErrorCode; readonly message: string }

/** Answers the calls that come through the port, until it is closed. */
export function answerHouseCalls(port: MessagePort, desk: HouseDesk): void {
  port.on('message', ({ id, request }: Question) => {
    answer(desk, request).then(
      (result) => port.postMessage({ id, result } satisfies Reply),
      (error: unknown) => {
        const code = error instanceof AppError ? error.code : 'INTERNAL'
        port.postMessage({ id, code, message: messageOf(error) } satisfies Reply)
      },
    )
  })
}

async function answer(desk: HouseDesk, request: HouseRequest): Promise<readonly Uint8Array[] | undefined> {
  if (request.kind === 'broken-text') {
    const { assetId, fileName, problem } = request
    desk.brokenText?.({ assetId, fileName, problem })
    return undefined
  }
  if (request.kind === 'wake') {
    await desk.wake(request.locatorId)
    return undefined
  }
  if (request.kind === 'key') return desk.contentKey?.(request.keyId)
  if (request.kind === 'key-reports') {
    await desk.keyReports?.(request.reports)
    return undefined
  }
  return desk.spooled(request.presentationId, request.renditionIndex, request.sequence)
}

/** More callers than this are told to come back. */
const MAX_CALLS = 1_024

/** A thread's side: asks through the port. */
export class HouseCalls implements HouseDesk {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, PromiseWithResolvers<readonly Uint8Array[] | undefined>>()
  /** By locator: whoever comes for the same one waits with the others. */
  readonly #waking = new Map<string, Promise<void>>()
  #lastId = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (reply: Reply) => this.#replied(reply))
  }

  /** @throws AppError what the node answers; `ORIGIN_BUSY` */
  spooled(presentationId: string, renditionIndex: number, sequence: number) {
    return this.#ask({ kind: 'spooled', presentationId, renditionIndex, sequence })
  }

  /** @throws AppError what the node answers; `ORIGIN_BUSY` */
  wake(locatorId: string): Promise<void> {
    const key = locatorId.toLowerCase()
    const known = this.#waking.get(key)
    if (known) return known
    const asked = this.#ask({ kind: 'wake', locatorId: key }).then(() => undefined)
    const waking = asked.finally(() => this.#waking.delete(key))
    this.#waking.set(key, waking)
    return waking
  }

  /** @throws AppError what the node answers; `ORIGIN_BUSY` */
  contentKey(keyId: string) {
    return this.#ask({ kind: 'key', keyId })
  }

  async keyReports(reports: readonly DeliveryReport[]): Promise<void> {
    await this.#ask({ kind: 'key-reports', reports })
  }

  /** Tells the node; what it makes of it is not waited for. */
  brokenText(text: BrokenText): void {
    void this.#ask({ kind: 'broken-text', ...text }).catch(() => undefined)
  }

  /** Nobody answers any more. */
  stop(): void {
    this.#port.close()
    for (const { reject } of this.#waiting.values()) reject(new AppError('STOPPED', 'The origin is stopped.'))
    this.#waiting.clear()
  }

  #ask(request: HouseRequest): Promise<readonly Uint8Array[] | undefined> {
    if (this.#waiting.size >= MAX_CALLS) {
      return Promise.reject(new AppError('ORIGIN_BUSY', 'Too many viewers wait for recordings.'))
    }
    const id = ++this.#lastId
    const waiting = Promise.withResolvers<readonly Uint8Array[] | undefined>()
    this.#waiting.set(id, waiting)
    this.#port.postMessage({ id, request } satisfies Question)
    return waiting.promise
  }

  #replied(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('code' in reply) waiting?.reject(new AppError(knownCode(reply.code), reply.message))
    else waiting?.resolve(reply.result)
  }
}

function knownCode(code: string): ErrorCode {
  return Object.hasOwn(errorCatalog, code) ? (code as ErrorCode) : 'INTERNAL'
}
