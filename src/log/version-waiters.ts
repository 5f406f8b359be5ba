import type { PresentationView } from '../presentation/view.ts'

type Waiter = { readonly version: number; readonly resolve: (view: PresentationView | undefined) => void }

/** Who waits for a presentation to move on. Each wait ends by its signal, so the number is that of the open requests. */
export class VersionWaiters {
  readonly #waiting = new Map<string, Set<Waiter>>()
  readonly #versionOf: (view: PresentationView) => number

  /** `versionOf`: what of a view is waited for; it grows as the presentation moves on. */
  constructor(versionOf: (view: PresentationView) => number = ({ version }) => version) {
    this.#versionOf = versionOf
  }

  /** Resolves with the view at `version` or later; with `undefined` when the presentation goes away. Rejects when aborted. */
  wait(
    view: PresentationView | undefined,
    version: number,
    signal: AbortSignal,
  ): Promise<PresentationView | undefined> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (!view || this.#versionOf(view) >= version) return Promise.resolve(view)
    const id = view.header.id
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#remove(id, waiter)
        reject(signal.reason)
      }
      const waiter: Waiter = {
        version,
        resolve: (found) => {
          signal.removeEventListener('abort', onAbort)
          this.#remove(id, waiter)
          resolve(found)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      const waiters = this.#waiting.get(id)
      if (waiters) waiters.add(waiter)
      else this.#waiting.set(id, new Set([waiter]))
    })
  }

  /** The presentation has moved on. */
  moved(view: PresentationView): void {
    const waiters = this.#waiting.get(view.header.id)
    if (!waiters) return
    const version = this.#versionOf(view)
    for (const waiter of [...waiters]) {
      if (version >= waiter.version) waiter.resolve(view)
    }
  }

  /** The presentation was replaced by a fresh copy, whose versions count anew (its view), or is gone (`undefined`): everybody looks again. */
  renewed(presentationId: string, view: PresentationView | undefined): void {
    for (const waiter of [...(this.#waiting.get(presentationId) ?? [])]) waiter.resolve(view)
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(id)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiting.delete(id)
  }
}
