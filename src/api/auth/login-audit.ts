import type { NewAuditRecord } from '../../domain/audit-record.ts'
import { ChangeSet } from '../../domain/change-set.ts'
import type { Credential } from '../../domain/credential.ts'
import type { Repository } from '../../domain/repository.ts'
import { formatTimestamp } from '../../domain/scalars.ts'
import type { Clock } from '../../lib/clock.ts'
import { type ErrorCode, messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import type { RateLimiter } from './rate-limiter.ts'

type AuditDeps = {
  readonly repository: Repository
  readonly clock: Clock
  readonly logger: Logger
  /** How many refusals are written down; the rest is counted by nobody, so that nobody can fill the log. */
  readonly refusals: RateLimiter
}

/** Something that was refused: to whom, what, from where and why. */
export type Refusal = {
  readonly accountId: Credential['accountId']
  /** Absent where nobody knows who it was. */
  readonly by?: { readonly credentialId: Credential['id']; readonly role: Credential['role'] }
  readonly action: string
  readonly subject?: NewAuditRecord['subject']
  readonly address: string
  readonly code: ErrorCode
  readonly requestId?: string
}

function subjectOf({ id, name }: Pick<Credential, 'id' | 'name'>) {
  return { kind: 'credential', id, name } as const
}

/** Writes down who came in, and who was refused. */
export class LoginAudit {
  readonly #deps: AuditDeps

  constructor(deps: AuditDeps) {
    this.#deps = deps
  }

  /** Somebody came in, left, or was given something to come in with. @throws AppError `STORE_DOWN`: then it has not happened. */
  async done(action: string, credential: Credential, address: string, requestId: string): Promise<void> {
    const { id, role, accountId } = credential
    const actor = { credentialId: id, role, address: address.slice(0, 64) }
    await this.#write({
      ...this.#now(),
      accountId,
      actor,
      action,
      subject: subjectOf(credential),
      outcome: 'done',
      requestId,
    })
  }

  /** Somebody failed to come in as this credential. */
  failed(credential: Credential, address: string, code: ErrorCode): Promise<void> {
    const { accountId } = credential
    return this.refused({ accountId, action: 'credential.authenticate', subject: subjectOf(credential), address, code })
  }

  /** Never fails: who is refused is told so whether or not it could be written down. */
  async refused({ accountId, by, action, subject, address, code, requestId }: Refusal): Promise<void> {
    // Apart by account and by kind, so that nobody's noise drowns what happens to somebody else.
    const kind = action === 'credential.authenticate' ? 'login' : 'denied'
    if ((await this.#deps.refusals.take(`${kind} ${accountId}`)) > 0) return
    const actor = { ...(by ?? { role: 'unknown' as const }), address: address.slice(0, 64) }
    const optional = { ...(subject && { subject }), ...(requestId !== undefined && { requestId }) }
    try {
      await this.#write({ ...this.#now(), accountId, actor, action, outcome: 'denied', code, ...optional })
    } catch (error) {
      this.#deps.logger.warn(
        { action, code, problem: messageOf(error) },
        'a refusal could not be written to the audit log',
      )
    }
  }

  #now() {
    return { time: formatTimestamp(this.#deps.clock.now()) }
  }

  async #write(record: NewAuditRecord): Promise<void> {
    const changes = new ChangeSet()
    changes.audit(record)
    await this.#deps.repository.commit(changes)
  }
}
