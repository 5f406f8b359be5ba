import { ChangeSet } from '../domain/change-set.ts'
import type { EntityOf } from '../domain/entities.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { MasterKeys } from './master-keys.ts'
import type { SealedKeys } from './sealed-keys.ts'

type RotationPorts = {
  readonly repository: Repository
  readonly masterKeys: MasterKeys
  readonly keys: Pick<SealedKeys, 'resealed'>
  readonly clock: Clock
  readonly logger: Logger
}

const AGAIN_MS = 60_000
/** What holds a content key: itself, or what its provider gave for a period. */
const KINDS = ['content-key', 'period-key'] as const
type KeptKind = (typeof KINDS)[number]

/** What a round has come to: how many keys were sealed anew, and for how many that failed, by master key. */
type Tally = { resealed: number; readonly left: Map<string, { count: number; readonly reason: string }> }

/**
 * Seals every content key anew under the first master key, so that the others can be taken out of the configuration. Looks once
 * when it is started, and again as long as some key can't be opened; says in the log what is left, when that changes.
 */
export class KeyRotation {
  readonly #ports: RotationPorts
  #round: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #isStopped = false
  #said = ''

  constructor(ports: RotationPorts) {
    this.#ports = ports
  }

  /** Doesn't wait for it. */
  start(): void {
    this.#round = this.#run()
  }

  /** Resolves when the round that is under way is over. */
  idle(): Promise<void> {
    return this.#round
  }

  /** Resolves when the key in hand is written. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#round
  }

  async #run(): Promise<void> {
    const tally: Tally = { resealed: 0, left: new Map() }
    let isDone = false
    try {
      await this.#resealAll(tally)
      isDone = tally.left.size === 0
    } catch (error) {
      if (!this.#isStopped) this.#say('warn', {}, `content keys could not be looked through: ${messageOf(error)}`)
    }
    if (this.#isStopped) return
    this.#report(tally)
    if (isDone) return
    this.#timer = this.#ports.clock.after(AGAIN_MS, () => this.start())
  }

  async #resealAll(tally: Tally): Promise<void> {
    const { repository } = this.#ports
    for await (const { id: accountId } of repository.each('account', { accountId: SYSTEM_ACCOUNT })) {
      for (const kind of KINDS) {
        for await (const key of repository.each(kind, { accountId })) {
          if (this.#isStopped) return
          if (key.masterKeyId !== this.#ports.masterKeys.primaryId) await this.#reseal(kind, key, tally)
        }
      }
    }
  }

  async #reseal<K extends KeptKind>(kind: K, key: EntityOf<K>, tally: Tally): Promise<void> {
    try {
      const resealed = await this.#ports.keys.resealed(key)
      if (resealed === undefined) throw new AppError('MASTER_KEY_UNAVAILABLE', 'No master key is configured.')
      const changes = new ChangeSet()
      changes.update(kind, resealed)
      await this.#ports.repository.commit(changes)
      tally.resealed += 1
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      // Another node was first, or the key has been deleted.
      if (error.code === 'ETAG_MISMATCH' || error.code === 'ENTITY_NOT_FOUND') return
      const left = tally.left.get(key.masterKeyId) ?? { count: 0, reason: error.message }
      left.count += 1
      tally.left.set(key.masterKeyId, left)
    }
  }

  #report({ resealed, left }: Tally): void {
    const masterKeyId = this.#ports.masterKeys.primaryId
    if (resealed > 0) {
      this.#ports.logger.info({ masterKeyId, resealed }, 'content keys are sealed under the first master key now')
    }
    for (const [id, { count, reason }] of left) {
      this.#say(
        'error',
        { masterKeyId: id, keys: count },
        `content keys under the master key ${id} are left: ${reason}`,
      )
    }
  }

  #say(level: 'warn' | 'error', fields: Record<string, unknown>, message: string): void {
    const saying = JSON.stringify([fields, message])
    if (saying !== this.#said) this.#ports.logger[level](fields, message)
    this.#said = saying
  }
}
