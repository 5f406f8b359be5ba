import { MessageChannel } from 'node:worker_threads'
import { systemClock } from '../../src/lib/clock.ts'
import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../src/log/log-directory.ts'
import { PresentationLog } from '../../src/log/presentation-log.ts'
import { Replica } from '../../src/log/replica.ts'
import { type OriginPorts, OriginServer } from '../../src/origin/origin-server.ts'
import type { LogRecord, PresentationHeader } from '../../src/presentation/records.ts'

/** A log of one presentation, and origins that are fed by it as threads and other nodes are. */
export class FedOrigins {
  readonly log: PresentationLog
  readonly directory: LogDirectory
  readonly #stops: (() => Promise<void> | void)[] = []

  constructor(header: PresentationHeader, budgetBytes = 1 << 24) {
    const memory = new FragmentMemory({ regionBytes: 1 << 22 })
    this.directory = new LogDirectory({ memory, clock: systemClock })
    this.log = new PresentationLog(header, { memory, budgetBytes, retainMs: undefined })
    this.#stops.push(() => this.log.stop())
    this.directory.open(this.log)
  }

  /** An origin that has read the log so far, and reads on. */
  async start(more: Partial<OriginPorts> = {}) {
    const { port1, port2 } = new MessageChannel()
    const feed = this.directory.connect(port1)
    const replica = new Replica(port2)
    this.#stops.push(() => {
      feed.stop()
      replica.stop()
      port1.close()
    })
    await replica.ready
    const server = new OriginServer(
      { host: '127.0.0.1', port: 0 },
      {
        publications: {
          find: (locatorId) => replica.find(locatorId),
          waitForPart: (...asked) => replica.waitForPart(...asked),
        },
        fragments: { read: (...asked) => replica.read(...asked) },
        observer: { started: () => undefined, request: () => undefined },
        ...more,
      },
    )
    this.#stops.push(() => server.stop())
    const { port } = await server.start()
    return { server, replica, base: `http://127.0.0.1:${port}` }
  }

  /** Ends all of it, the last first. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop()
  }
}

type Step = { readonly record: LogRecord; readonly bytes: Uint8Array | undefined }

/** Records that were made beforehand, for a test to write a stretch at a time; their fragments are numbered as parts are. */
export class Steps {
  readonly #steps: Step[] = []
  readonly #parts = new Map<number, number>()

  add(record: LogRecord, bytes: Uint8Array | undefined): void {
    this.#steps.push({ record: this.#numbered(record), bytes })
  }

  /** Writes up to the first record that is `last`, and that too; all where there is none. */
  write(log: Pick<PresentationLog, 'append'>, isLast: (record: LogRecord) => boolean): void {
    for (let step = this.#steps.shift(); step; step = this.#steps.shift()) {
      log.append(step.record, step.bytes)
      if (isLast(step.record)) return
    }
  }

  #numbered(record: LogRecord): LogRecord {
    if (record.type !== 'fragment') return record
    const number = (this.#parts.get(record.track) ?? 0) + 1
    this.#parts.set(record.track, number)
    return { ...record, number }
  }
}
