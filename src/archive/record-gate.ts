import type { LogRecord } from '../presentation/records.ts'
import type { FragmentHolds } from './spool/spool-queue.ts'
import { isBarrier, type SpoolWriter } from './spool/spool-writer.ts'

type Waiting = { readonly record: LogRecord; readonly bytes: Uint8Array | undefined; readonly serial: number }

/**
 * Lets records into the log in their order, and those that whoever sees them may rely on when the journal has them; or at once,
 * while the disk does not keep up.
 */
export class RecordGate {
  readonly #spool: Pick<SpoolWriter, 'isDegraded' | 'writtenSerial'>
  readonly #holds: FragmentHolds
  readonly #show: (record: LogRecord, bytes: Uint8Array | undefined) => void
  #waiting: Waiting[] = []

  /** `show` must not throw. */
  constructor(
    spool: Pick<SpoolWriter, 'isDegraded' | 'writtenSerial'>,
    holds: FragmentHolds,
    show: (record: LogRecord, bytes: Uint8Array | undefined) => void,
  ) {
    this.#spool = spool
    this.#holds = holds
    this.#show = show
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** `serial`: the spool's. The bytes are held while they wait. */
  take(record: LogRecord, bytes: Uint8Array | undefined, serial: number): void {
    if (this.isEmpty && this.#isOpenTo({ record, bytes, serial })) {
      this.#show(record, bytes)
      return
    }
    if (bytes) this.#holds.hold(bytes)
    this.#waiting.push({ record, bytes, serial })
  }

  /** The spool has moved on. */
  moved(): void {
    for (let next = this.#waiting[0]; next && this.#isOpenTo(next); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#show(next.record, next.bytes)
      if (next.bytes) this.#holds.release(next.bytes)
    }
  }

  /** What waits is not shown any more. */
  clear(): void {
    for (const { bytes } of this.#waiting.splice(0)) if (bytes) this.#holds.release(bytes)
  }

  #isOpenTo({ record, serial }: Waiting): boolean {
    return this.#spool.isDegraded || !isBarrier(record) || serial <= this.#spool.writtenSerial
  }
}
