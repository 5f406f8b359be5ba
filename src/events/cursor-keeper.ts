import type { Clock, Timer } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { CursorState, WebhookCursor } from './webhook-cursor.ts'

/** What keeping a cursor takes. `state` is `undefined` while it is not known where the subscription stands. */
export type CursorKeeperPorts = {
  readonly cursor: Pick<WebhookCursor, 'save'>
  readonly state: () => CursorState | undefined
  readonly clock: Clock
  readonly logger: Logger
}

const SAVE_MS = 1_000
/** Where only events that the subscription doesn't want have gone by. */
const LAZY_SAVE_MS = 300_000

/** Writes a subscription's place in the log: at most once a second while it moves, and at the end. */
export class CursorKeeper {
  readonly #ports: CursorKeeperPorts
  #due: { readonly timer: Timer; readonly isLazy: boolean } | undefined
  #saving: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(ports: CursorKeeperPorts) {
    this.#ports = ports
  }

  /** Something was settled or has failed; or, `isLazy`, nothing but time has passed. */
  moved(isLazy: boolean): void {
    if (this.#isStopped || (this.#due && (isLazy || !this.#due.isLazy))) return
    this.#due?.timer.cancel()
    const timer = this.#ports.clock.after(isLazy ? LAZY_SAVE_MS : SAVE_MS, () => {
      this.#due = undefined
      this.#saving = this.#saving.then(() => this.#save())
    })
    this.#due = { timer, isLazy }
  }

  /** Writes it a last time. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#due?.timer.cancel()
    await this.#saving
    await this.#save()
  }

  async #save(): Promise<void> {
    const state = this.#ports.state()
    if (!state) return
    try {
      await this.#ports.cursor.save(state)
    } catch (error) {
      // Where the subscription is gone there is no place to keep.
      const isGone = error instanceof AppError && ['ENTITY_NOT_FOUND', 'REFERENCE_MISSING'].includes(error.code)
      if (isGone) return
      this.#ports.logger.warn({ problem: messageOf(error) }, 'the place in the log can not be written; tried again')
      this.moved(false)
    }
  }
}
