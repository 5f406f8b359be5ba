import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { readMasterKey } from './master-key-source.ts'
import type { Environment, MasterKeySource } from './ports.ts'

/** So long a failure is answered without looking again: a command isn't run for every request. */
const RETRY_MS = 5_000

type Failure = { readonly error: unknown; readonly untilMs: number }

/**
 * The configured master keys, each looked for when it is first needed and then kept. One that can't be had is an error to whoever
 * needs it, and looked for again later; the server runs without it.
 */
export class MasterKeys {
  readonly #sources: ReadonlyMap<string, MasterKeySource>
  readonly #clock: Clock
  readonly #environment: Environment
  readonly #stopping = new AbortController()
  readonly #loaded = new Map<string, Promise<Uint8Array>>()
  readonly #failed = new Map<string, Failure>()
  /** The one that new values are sealed under; `undefined` where none is configured. */
  readonly primaryId: string | undefined

  constructor(
    sources: readonly MasterKeySource[],
    { clock, environment }: { readonly clock: Clock; readonly environment: Environment },
  ) {
    this.#sources = new Map(sources.map((source) => [source.id, source]))
    this.#clock = clock
    this.#environment = environment
    this.primaryId = sources[0]?.id
  }

  /** The key of an id, 32 bytes. @throws AppError `MASTER_KEY_UNAVAILABLE`, also for an id that isn't configured */
  async load(id: string): Promise<Uint8Array> {
    const source = this.#sources.get(id)
    if (source === undefined) {
      const message = `The master key ${id} is not among those of the configuration (storage.masterKeys).`
      throw new AppError('MASTER_KEY_UNAVAILABLE', message, { details: { masterKeyId: id } })
    }
    const failure = this.#failed.get(id)
    if (failure && this.#clock.monotonicMs() < failure.untilMs) throw failure.error
    const loading = this.#loaded.get(id) ?? this.#read(source)
    this.#loaded.set(id, loading)
    try {
      return await loading
    } catch (error) {
      // Of all who waited for this attempt, the first writes it down.
      if (this.#loaded.get(id) === loading) {
        this.#loaded.delete(id)
        this.#failed.set(id, { error, untilMs: this.#clock.monotonicMs() + RETRY_MS })
      }
      throw error
    }
  }

  /** Ends a command that is running. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('STOPPED', 'The node is being stopped.'))
    await Promise.allSettled(this.#loaded.values())
  }

  #read(source: MasterKeySource): Promise<Uint8Array> {
    const { signal } = this.#stopping
    return readMasterKey(source, { clock: this.#clock, environment: this.#environment, signal })
  }
}
