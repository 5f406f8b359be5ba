import type { EntityStore } from '../../../src/domain/entity-store.ts'
import { AppError } from '../../../src/lib/errors.ts'

/**
 * What is out of order: all calls, or writes alone; `writes-after` lets a write happen and says that it is unknown, and
 * `last-write` does so once, and then nothing works.
 */
export type Fault = 'none' | 'all' | 'writes' | 'writes-after' | 'last-write'

const writes: readonly string[] = ['create', 'update', 'delete', 'transaction']

/** A store that a test takes away and gives back, and that a process can lose for good in the middle of a call. */
export class FaultyStore {
  readonly #store: EntityStore
  fault: Fault = 'none'
  calls = 0
  inFlight = 0
  /** The call, counted from now, before or after which the process is no more. */
  #dieAt: { readonly call: number; readonly after: boolean; readonly died: () => void } | undefined
  #isDead = false
  #held: { readonly kind: string; readonly read: () => void; readonly end: Promise<void> } | undefined

  constructor(store: EntityStore) {
    this.#store = store
  }

  /** The store as the program under test sees it. */
  get seen(): EntityStore {
    return new Proxy(this.#store, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target) as unknown
        if (typeof member !== 'function' || name === 'watch') return member
        return (...args: unknown[]) => {
          const kind = (args[0] as { kind?: string } | undefined)?.kind
          return this.#call(String(name), () => member.apply(target, args), kind)
        }
      },
    })
  }

  /** From now on it answers nothing: its process has been killed. */
  die(): void {
    this.#isDead = true
  }

  /** What is listed of a kind from now on is read, and given when `release` is called; `read` resolves with the first reading. */
  holdList(kind: string): { readonly read: Promise<void>; readonly release: () => void } {
    const read = Promise.withResolvers<void>()
    const end = Promise.withResolvers<void>()
    this.#held = { kind, read: () => read.resolve(), end: end.promise }
    return { read: read.promise, release: () => end.resolve() }
  }

  /** It doesn't die, if it hasn't yet. */
  live(): void {
    this.#dieAt = undefined
  }

  dieAt(call: number, after: boolean, died: () => void): void {
    this.#dieAt = { call: this.calls + call, after, died }
  }

  async #call(name: string, call: () => Promise<unknown>, kind?: string): Promise<unknown> {
    this.calls++
    this.inFlight++
    try {
      const dies = this.#dieAt?.call === this.calls ? this.#dieAt : undefined
      if (dies && !dies.after) this.#kill(dies)
      this.#check(name, 'not-applied')
      const result = await call()
      if (this.#held && name === 'list' && this.#held.kind === kind) {
        this.#held.read()
        await this.#held.end
      }
      if (dies?.after && this.#dieAt === dies) this.#kill(dies)
      if (this.#isDead) throw new AppError('STORE_DOWN', 'the process is gone')
      if (isAfter(this.fault) && writes.includes(name)) {
        if (this.fault === 'last-write') this.fault = 'all'
        throw down('unknown')
      }
      return result
    } finally {
      this.inFlight--
    }
  }

  #kill({ died }: { died: () => void }): void {
    this.#isDead = true
    died()
  }

  #check(name: string, outcome: string): void {
    const isDown = this.#isDead || this.fault === 'all' || (this.fault === 'writes' && writes.includes(name))
    if (isDown) throw down(outcome)
  }
}

function down(outcome: string): AppError {
  return new AppError('STORE_DOWN', 'the store is taken away by a test', { details: { outcome } })
}

function isAfter(fault: Fault): boolean {
  return fault === 'writes-after' || fault === 'last-write'
}
