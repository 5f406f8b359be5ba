import type { Change } from '../domain/entity-store.ts'
import type { Repository } from '../domain/repository.ts'
import type { AccountRules, EndpointRules, PublishedFilter } from '../domain/serving-rules.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { ChangeSource } from '../supervisor/ports.ts'

/** What the rules are read from, and who is told. */
export type AccountRulesPorts = {
  readonly repository: Pick<Repository, 'each'>
  readonly changes: ChangeSource
  readonly directory: Pick<LogDirectory, 'setRules'>
  readonly clock: Clock
  readonly logger: Logger
}

const RETRY_MS = 1_000

/**
 * Tells origins what holds for all that an account publishes, from when somebody first asks for it on: when one of its filters or endpoints
 * changes they are read anew, all together, since a filter that is gone can't say whose it was.
 */
export class AccountRulesKeeper implements Stoppable {
  readonly #ports: AccountRulesPorts
  /** Accounts whose rules are kept up, each with the endpoints that run, and the ordinal of the newest reading that was told. */
  readonly #kept = new Map<string, { running: ReadonlySet<string>; ordinal: number }>()
  readonly #wanted = new Set<string>()
  readonly #ends: (() => void)[] = []
  #ordinal = 0
  #isReading = false
  #retry: Timer | undefined
  #isStopped = false

  constructor(ports: AccountRulesPorts) {
    this.#ports = ports
  }

  begin(): void {
    const { changes } = this.#ports
    this.#ends.push(changes.onChange((list) => this.#follow(list)))
    this.#ends.push(changes.onReset(() => this.#want([...this.#kept.keys()])))
  }

  /**
   * Resolves when every origin thread keeps to the account's rules as the store has them now, and goes on to follow them. `running`:
   * the streaming endpoints that run, now and at any later time.
   * @throws AppError `STORE_DOWN`
   */
  async refresh(accountId: string, running: ReadonlySet<string>): Promise<void> {
    const known = this.#kept.get(accountId)
    if (known) known.running = running
    else this.#kept.set(accountId, { running, ordinal: 0 })
    await this.#tell(accountId)
  }

  /** None of the account's endpoints runs any more: resolves when every origin thread goes by that. The store isn't asked. */
  async close(accountId: string): Promise<void> {
    const kept = this.#kept.get(accountId)
    if (!kept) return
    kept.running = new Set()
    kept.ordinal = ++this.#ordinal
    await this.#ports.directory.setRules({ accountId, filters: [], endpoints: [] })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const end of this.#ends.splice(0)) end()
    this.#retry?.cancel()
    this.#wanted.clear()
  }

  #follow(changes: readonly Change[]): void {
    this.#want(
      changes
        .filter(({ kind }) => kind === 'filter' || kind === 'streaming-endpoint')
        .map(({ accountId }) => accountId),
    )
  }

  #want(accountIds: readonly string[]): void {
    for (const accountId of accountIds) if (this.#kept.has(accountId)) this.#wanted.add(accountId)
    void this.#tellWanted()
  }

  async #tellWanted(): Promise<void> {
    if (this.#isReading || this.#retry || this.#isStopped) return
    this.#isReading = true
    try {
      for (const accountId of this.#wanted) {
        this.#wanted.delete(accountId)
        await this.#tellOrWant(accountId)
      }
    } catch (error) {
      this.#ports.logger.warn(
        { error: messageOf(error) },
        'the rules of an account could not be read; it is tried again',
      )
      if (!this.#isStopped) this.#retryLater()
    } finally {
      this.#isReading = false
    }
  }

  async #tellOrWant(accountId: string): Promise<void> {
    try {
      await this.#tell(accountId)
    } catch (error) {
      this.#wanted.add(accountId)
      throw error
    }
  }

  /** Reads and tells; a reading that is overtaken by one that began later is not told. */
  async #tell(accountId: string): Promise<void> {
    const ordinal = ++this.#ordinal
    const kept = this.#kept.get(accountId)
    const rules = await this.#read(accountId, kept?.running ?? new Set())
    if (this.#isStopped || !kept || kept.ordinal > ordinal) return
    kept.ordinal = ordinal
    await this.#ports.directory.setRules(rules)
  }

  async #read(accountId: string, running: ReadonlySet<string>): Promise<AccountRules> {
    const { repository } = this.#ports
    const endpoints: EndpointRules[] = []
    for await (const endpoint of repository.each('streaming-endpoint', { accountId })) {
      const { hostNames, maxCacheAge, allowIp, cors, signedUrlKeys } = endpoint
      if (running.has(endpoint.id)) endpoints.push({ hostNames, maxCacheAge, allowIp, cors, signedUrlKeys })
    }
    const filters: PublishedFilter[] = []
    for await (const filter of repository.each('filter', { accountId })) {
      const { name, assetId, timeRange, tracks, firstQuality } = filter
      filters.push({ name, assetId, timeRange, tracks, firstQuality })
    }
    return { accountId, filters, endpoints }
  }

  #retryLater(): void {
    this.#retry = this.#ports.clock.after(RETRY_MS, () => {
      this.#retry = undefined
      void this.#tellWanted()
    })
  }
}
