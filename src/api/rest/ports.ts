import type { Scope } from '../../domain/permissions.ts'
import type { Caller } from './route.ts'

/** What of a request says who is calling. */
export type Approach = {
  readonly method: string
  readonly header: (name: string) => string | undefined
  readonly address: string
  readonly secure: boolean
}

/** What a caller was refused, in which account; `action` as the audit log names it. */
export type Denial = {
  readonly accountId: string
  readonly action: string
  readonly address: string
  readonly requestId: string
}

/** Knows callers by what they show. */
export type CallerSource = {
  /** @throws AppError `UNAUTHENTICATED`, `RATE_LIMITED`, `PAGE_FOREIGN` (a session used from another site's page), `STORE_DOWN` */
  identify(approach: Approach): Promise<Caller>
  /**
   * The scope in which a caller acts: its own, or the account that a `system` credential picked.
   * @throws AppError `ENTITY_NOT_FOUND` where that account is not there, or not the caller's
   */
  scope(caller: Caller, picked: string | undefined): Promise<Scope>
  /** Is told that a caller asked for what it may not have (`PERMISSION_DENIED`). Never fails. */
  denied(caller: Caller, denial: Denial): Promise<void>
}
