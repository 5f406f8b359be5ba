import type { Worker } from 'node:worker_threads'
import type { CallLimits } from '../domain/entity-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { type Batch, type BatchResult, batchSizeBytes } from './batch.ts'
import { Admission, type Outcome, startDeadline, storeDown } from './call-limits.ts'
import {
  type SqliteAnswer,
  type SqliteReport,
  type SqliteRequest,
  type SqliteThreadData,
  slotState,
} from './sqlite-messages.ts'

/** Makes a thread that runs `sqlite-thread.ts`. */
export type StartThread = (data: SqliteThreadData) => Worker

type LinkOptions = { readonly path: string; readonly maxWaitingCalls: number; readonly maxWaitingBytes: number }
type Waiting = { readonly mode: Batch['mode']; settle(result: BatchResult | Error): void; readonly leave: () => void }

/** One thread from its start to its end, and the calls that wait for it. */
export class SqliteLink {
  /** Resolves when the file is open; rejects with `STORE_DOWN` where it can't be. */
  readonly ready: Promise<void>
  /** Resolves when the thread is gone; every call has been answered by then. */
  readonly gone: Promise<void>
  readonly #clock: Clock
  readonly #worker: Worker
  readonly #slots: Int32Array<SharedArrayBuffer>
  readonly #freeSlots: number[]
  readonly #admission: Admission
  readonly #waiting = new Map<number, Waiting>()
  #idle: PromiseWithResolvers<void> | undefined
  #isGone = false

  constructor(startThread: StartThread, clock: Clock, { path, maxWaitingCalls, maxWaitingBytes }: LinkOptions) {
    this.#clock = clock
    this.#slots = new Int32Array(new SharedArrayBuffer(maxWaitingCalls * Int32Array.BYTES_PER_ELEMENT))
    this.#freeSlots = Array.from({ length: maxWaitingCalls }, (_, slot) => slot)
    this.#admission = new Admission(maxWaitingCalls, maxWaitingBytes)
    this.#worker = startThread({ path, slots: this.#slots })
    const ready = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    this.ready = ready.promise
    this.gone = gone.promise
    let failure: unknown
    this.#worker.on('error', (error) => {
      failure = error
    })
    this.#worker.on('message', (report: SqliteReport) => {
      if (report.kind === 'ready') ready.resolve()
      else if (report.kind === 'failed') ready.reject(storeDown(`can't be opened: ${report.problem}`, 'not-applied'))
      else this.#onAnswer(report.slot, report.answer)
    })
    this.#worker.once('exit', (code) => {
      const error = storeDown(`lost its thread (code ${code})`, 'not-applied', failure)
      ready.reject(error)
      this.#onGone(failure)
      gone.resolve()
    })
  }

  /** Ends by the deadline. @throws AppError `STORE_DOWN`, `INTERNAL` */
  run(batch: Batch, limits: CallLimits & { readonly timeoutMs: number }): Promise<BatchResult> {
    if (this.#isGone) throw storeDown('has lost its thread', 'not-applied')
    const leave = this.#admission.enter(batchSizeBytes(batch))
    const slot = this.#freeSlots.pop()
    // As many slots as calls are admitted, and both are given back together.
    if (slot === undefined) throw new AppError('INTERNAL', 'an admitted call has no slot')
    Atomics.store(this.#slots, slot, slotState.waiting)
    return new Promise((resolve, reject) => {
      const deadline = startDeadline(this.#clock, limits, (problem, cause) => {
        reject(storeDown(problem, this.#abandon(slot, batch.mode), cause))
      })
      this.#waiting.set(slot, {
        mode: batch.mode,
        leave,
        settle(result) {
          deadline.cancel()
          if (result instanceof Error) reject(result)
          else resolve(result)
        },
      })
      this.#worker.postMessage({ kind: 'call', slot, batch } satisfies SqliteRequest)
    })
  }

  /** Resolves when no call waits. */
  idle(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  /** Asks the thread to close the file and end. */
  close(): void {
    this.#worker.postMessage({ kind: 'stop' } satisfies SqliteRequest)
  }

  /** Cuts the thread off. */
  terminate(): void {
    void this.#worker.terminate()
  }

  #abandon(slot: number, mode: Batch['mode']): Outcome {
    const { waiting, abandoned } = slotState
    const before = Atomics.compareExchange(this.#slots, slot, waiting, abandoned)
    return before === waiting || mode === 'read' ? 'not-applied' : 'unknown'
  }

  #onAnswer(slot: number, answer: SqliteAnswer): void {
    const call = this.#waiting.get(slot)
    if (!call) return
    this.#release(slot, call)
    if (answer.kind === 'done' || answer.kind === 'fault') call.settle(answer)
    else if (answer.kind === 'down') call.settle(storeDown(answer.problem, answer.outcome))
    else if (answer.kind === 'broken')
      call.settle(new AppError('INTERNAL', `the store made a mistake: ${answer.problem}`))
    // A call that was dropped has been answered by its deadline.
  }

  #onGone(cause: unknown): void {
    this.#isGone = true
    for (const [slot, call] of this.#waiting) {
      const outcome = this.#abandon(slot, call.mode)
      this.#release(slot, call)
      call.settle(storeDown('lost its thread', outcome, cause))
    }
  }

  #release(slot: number, call: Waiting): void {
    this.#waiting.delete(slot)
    this.#freeSlots.push(slot)
    call.leave()
    if (this.#waiting.size === 0) this.#idle?.resolve()
  }
}
