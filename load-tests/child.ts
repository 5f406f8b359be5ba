import { type ChildProcess, fork } from 'node:child_process'

const ANSWER_MS = 30_000

/** A process of the load test's own that takes orders and answers each; it ends when its parent does. */
export class Child<Order, Reply extends { readonly kind: string }> {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #exited: Promise<void>

  constructor(script: URL) {
    this.#process = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.pid = this.#process.pid ?? 0
    this.#exited = new Promise((resolve) => this.#process.once('exit', () => resolve()))
  }

  /** Rejects when the answer says `failed`, is not of the kind wanted, or does not come. */
  async ask<Kind extends Reply['kind']>(order: Order, kind: Kind): Promise<Extract<Reply, { readonly kind: Kind }>> {
    const answer = new Promise<Reply>((resolve) => this.#process.once('message', (reply) => resolve(reply as Reply)))
    this.#process.send(order as object)
    const timer = Promise.withResolvers<never>()
    const timeout = setTimeout(() => timer.reject(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS)
    const gone = this.#exited.then(() => Promise.reject(new Error(`process ${this.pid} has ended`)))
    try {
      const reply = await Promise.race([answer, gone, timer.promise])
      if (reply.kind !== kind) throw new Error(`process ${this.pid}: ${JSON.stringify(reply)}`)
      return reply as Extract<Reply, { readonly kind: Kind }>
    } finally {
      clearTimeout(timeout)
      gone.catch(() => undefined)
    }
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
  }
}
