import type { BlobStorage } from '../domain/blob-storage.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import type { StoragePlace } from '../domain/storage-account.ts'
import type { StorageUsage } from '../domain/storage-usage.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'

type MeterPorts = { readonly storage: { of(place: StoragePlace): BlobStorage }; readonly clock: Clock }

type Measured = { readonly usage: StorageUsage; readonly untilMs: number }

const MAX_OBJECTS = 200_000
const MAX_MS = 10_000
const MAX_KNOWN = 1_000
const AT_ONCE = 2
const MAX_WAITING = 64
/** What was counted is good for so long, and for so many times as long as the counting took. */
const FRESH_MS = 30_000
const FRESH_FACTOR = 20

const busy = () => new AppError('STORAGE_BUSY', 'Too much is being counted in storage: try again.')

/** Counts what lies in storage, within bounds; what was counted a moment ago isn't counted again. */
export class UsageMeter {
  readonly #ports: MeterPorts
  readonly #turns = new Turns(AT_ONCE, { maxWaiting: MAX_WAITING, refusal: busy })
  readonly #known = new Map<string, Measured>()
  readonly #underWay = new Map<string, Promise<StorageUsage>>()
  readonly #stopping = new AbortController()

  constructor(ports: MeterPorts) {
    this.#ports = ports
  }

  /**
   * What lies under a folder of a place (`''`: everywhere). Who waits may leave; the counting goes on for the others.
   *
   * @throws AppError as the storage does; `STORAGE_BUSY`; the signal's reason
   */
  async measure(place: StoragePlace, folder: string, signal: AbortSignal): Promise<StorageUsage> {
    signal.throwIfAborted()
    const key = JSON.stringify([place.accountId, place.location, folder])
    const known = this.#known.get(key)
    if (known && this.#ports.clock.now() < known.untilMs) return known.usage
    const shared = this.#underWay.get(key) ?? this.#begin(key, place, folder)
    const { promise, resolve, reject } = Promise.withResolvers<StorageUsage>()
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    shared.then(resolve, reject)
    return promise.finally(() => signal.removeEventListener('abort', leave))
  }

  /** Ends what is being counted. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('STOPPED', 'Nothing is counted any more.'))
    await Promise.allSettled(this.#underWay.values())
  }

  #begin(key: string, place: StoragePlace, folder: string): Promise<StorageUsage> {
    const { signal } = this.#stopping
    const counting = this.#turns.run(() => this.#count(key, place, folder), { signal })
    const shared = counting.finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, shared)
    return shared
  }

  async #count(key: string, place: StoragePlace, folder: string): Promise<StorageUsage> {
    const { clock, storage } = this.#ports
    const begunMs = clock.monotonicMs()
    let bytes = 0
    let objects = 0
    let isPartial = false
    for await (const { sizeBytes } of storage.of(place).list(folder, { signal: this.#stopping.signal })) {
      if (objects === MAX_OBJECTS || clock.monotonicMs() - begunMs > MAX_MS) {
        isPartial = true
        break
      }
      bytes += sizeBytes
      objects += 1
    }
    const usage = { bytes, objects, isPartial, measured: formatTimestamp(clock.now()) }
    this.#keep(key, usage, clock.monotonicMs() - begunMs)
    return usage
  }

  #keep(key: string, usage: StorageUsage, tookMs: number): void {
    this.#known.delete(key)
    this.#known.set(key, { usage, untilMs: this.#ports.clock.now() + Math.max(FRESH_MS, FRESH_FACTOR * tookMs) })
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
  }
}
