import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { systemClock, type Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { releaseSpareMemory } from '../lib/spare-memory.ts'
import type { Batch } from './batch.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import {
  type SqliteAnswer,
  type SqliteReport,
  type SqliteRequest,
  type SqliteThreadData,
  slotState,
} from './sqlite-messages.ts'

/** How many writes share a transaction, and a sync, at most. */
const GROUP_CALLS = 64
/** How soon to try again on a file that is locked elsewhere. */
const BUSY_RETRY_MS = 5

type Call = { readonly slot: number; readonly batch: Batch; take(): boolean }

/** The thread's side: takes what waits, reads first (they never wait for a writer elsewhere), then the writes as a group. */
class SqliteThread {
  readonly #port: MessagePort
  readonly #slots: Int32Array<SharedArrayBuffer>
  readonly #connection: SqliteConnection
  #reads: Call[] = []
  #writes: Call[] = []
  #retry: Timer | undefined
  #stopping = false

  constructor(port: MessagePort, { path, slots }: SqliteThreadData) {
    this.#port = port
    this.#slots = slots
    this.#connection = new SqliteConnection(path)
  }

  serve(): void {
    this.#port.on('message', (request: SqliteRequest) => {
      this.#accept(request)
      this.#work()
    })
    releaseSpareMemory()
    this.#port.postMessage({ kind: 'ready' } satisfies SqliteReport)
  }

  #work(): void {
    this.#retry?.cancel()
    let isBusy = false
    while (!this.#stopping && !isBusy) {
      for (let next = receiveMessageOnPort(this.#port); next; next = receiveMessageOnPort(this.#port))
        this.#accept(next.message)
      if (this.#stopping) break
      if (this.#reads.length + this.#writes.length === 0) return
      const isReadBusy = this.#readAll()
      isBusy = this.#writeGroup() || isReadBusy
    }
    if (this.#stopping) this.#close()
    // In between the thread's own loop runs, so that a new read or a stop gets through.
    else this.#retry = systemClock.after(BUSY_RETRY_MS, () => this.#work())
  }

  #accept(request: SqliteRequest): void {
    if (request.kind === 'stop') {
      this.#stopping = true
      return
    }
    const { slot, batch } = request
    const { waiting, taken } = slotState
    const take = () => Atomics.compareExchange(this.#slots, slot, waiting, taken) === waiting
    const calls = batch.mode === 'read' ? this.#reads : this.#writes
    calls.push({ slot, batch, take })
  }

  #readAll(): boolean {
    const calls = this.#withoutAbandoned(this.#reads)
    this.#reads = []
    for (const [index, call] of calls.entries()) {
      const answer = this.#connection.read(call)
      if (answer) this.#answer(call, answer)
      else {
        this.#reads = calls.slice(index)
        return true
      }
    }
    return false
  }

  #writeGroup(): boolean {
    this.#writes = this.#withoutAbandoned(this.#writes)
    if (this.#writes.length === 0) return false
    const group = this.#writes.slice(0, GROUP_CALLS)
    const answers = this.#connection.write(group)
    if (!answers) return true
    this.#writes = this.#writes.slice(group.length)
    for (const [index, call] of group.entries()) this.#answer(call, answers[index] ?? { kind: 'dropped' })
    return false
  }

  #withoutAbandoned(calls: readonly Call[]): Call[] {
    return calls.filter((call) => {
      const isWanted = Atomics.load(this.#slots, call.slot) !== slotState.abandoned
      if (!isWanted) this.#answer(call, { kind: 'dropped' })
      return isWanted
    })
  }

  #answer({ slot }: Call, answer: SqliteAnswer): void {
    this.#port.postMessage({ kind: 'answer', slot, answer } satisfies SqliteReport)
  }

  #close(): void {
    this.#connection.close()
    this.#port.close()
  }
}

if (!parentPort) throw new Error('this file runs as a worker thread')
try {
  new SqliteThread(parentPort, workerData).serve()
} catch (error) {
  parentPort.postMessage({ kind: 'failed', problem: messageOf(error) } satisfies SqliteReport)
}
