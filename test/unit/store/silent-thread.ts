import { parentPort, workerData } from 'node:worker_threads'
import { slotState } from '../../../src/store/sqlite-messages.ts'

type Request = {
  readonly kind: string
  readonly slot?: number
  readonly batch?: { readonly statements: { sql: string }[] }
}

/**
 * Says that it is ready and answers nothing but the SQL `answer`: a thread whose disk hangs. It takes the SQL `take`
 * without ever answering, and dies of the SQL `die`.
 */
parentPort?.postMessage({ kind: 'ready' })
parentPort?.on('message', ({ kind, slot, batch }: Request) => {
  const sql = batch?.statements[0]?.sql
  if (sql === 'die') throw new Error('the thread dies')
  if (sql === 'take' && slot !== undefined) Atomics.store(workerData.slots, slot, slotState.taken)
  if (sql === 'answer') parentPort?.postMessage({ kind: 'answer', slot, answer: { kind: 'done', rows: [[{ n: 1 }]] } })
  if (kind === 'stop') parentPort?.close()
})
