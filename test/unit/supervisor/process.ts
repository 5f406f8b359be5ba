import type { Change, Store } from '../../../src/domain/entity-store.ts'
import { Repository } from '../../../src/domain/repository.ts'
import type { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import type { Logger } from '../../../src/lib/logger.ts'
import { ChangeFeed } from '../../../src/store/change-feed.ts'
import { Supervisor } from '../../../src/supervisor/supervisor.ts'
import { FakeNode } from './fake-node.ts'
import { FaultyStore } from './faulty-store.ts'

/** A process: a supervisor with its node and its way to the store. */
export class Process {
  readonly node = new FakeNode()
  readonly store: FaultyStore
  readonly feed: ChangeFeed
  readonly supervisor: Supervisor
  readonly states = new Map<string, number>()
  readonly failures: string[] = []
  /** Up to where the changes have been told. */
  told = 0
  isDead = false
  /** It hears of no change; the first one after that is told as `CHANGES_GONE`. */
  isDeaf = false

  constructor(store: Store, clock: VirtualClock, logger: Logger) {
    this.store = new FaultyStore(store)
    const watch = (since: number, signal: AbortSignal) => this.#watch(store, since, signal)
    this.feed = new ChangeFeed({ store: { sequence: () => store.sequence(), watch }, clock, logger })
    this.supervisor = new Supervisor({
      repository: new Repository(this.store.seen),
      changes: this.feed,
      runner: this.node,
      endpoints: this.node.endpoints,
      index: this.node,
      observer: {
        channelMoved: (from, to) => {
          if (from) this.states.set(from, (this.states.get(from) ?? 0) - 1)
          if (to) this.states.set(to, (this.states.get(to) ?? 0) + 1)
        },
        failed: (kind, code) => this.failures.push(`${kind} ${code}`),
      },
      clock,
      logger,
    })
  }

  async start(store: Store): Promise<void> {
    this.told = await store.sequence()
    await this.feed.start()
    // Not awaited: a process that dies in the middle of its start never gets there.
    void this.supervisor.start().catch(() => undefined)
  }

  async stop(): Promise<void> {
    await this.supervisor.stop()
    await this.feed.stop()
  }

  /** It is killed before or after this call of the store, counted from now. */
  dieAt(call: number, after: boolean): void {
    this.store.dieAt(call, after, () => this.kill())
  }

  /** What `kill -9` leaves: nothing. */
  kill(): void {
    this.isDead = true
    this.store.die()
    this.node.release()
  }

  async *#watch(store: Store, since: number, signal: AbortSignal): AsyncGenerator<readonly Change[]> {
    let wasDeaf = false
    for await (const changes of store.watch(since, signal)) {
      this.told = changes.at(-1)?.sequence ?? this.told
      if (!this.isDeaf && wasDeaf) throw new AppError('CHANGES_GONE', 'they were pruned')
      wasDeaf = this.isDeaf
      if (!this.isDeaf) yield changes
    }
  }
}
