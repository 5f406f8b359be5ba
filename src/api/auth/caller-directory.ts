import { type Credential, parseApiKey } from '../../domain/credential.ts'
import { idSchema, SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { actIn, type Scope } from '../../domain/permissions.ts'
import type { Repository } from '../../domain/repository.ts'
import { AppError } from '../../lib/errors.ts'
import type { Approach, CallerSource, Denial } from '../rest/ports.ts'
import type { Caller } from '../rest/route.ts'
import type { Authenticator } from './authenticator.ts'
import type { LoginAudit } from './login-audit.ts'
import { assertOwnPage, isUnsafe } from './page-origin.ts'
import { notLetIn, notShown } from './refusal.ts'
import { readSessionCookie } from './session-cookie.ts'
import type { Sessions } from './sessions.ts'

type DirectoryDeps = {
  readonly repository: Repository
  readonly authenticator: Authenticator
  readonly sessions: Sessions
  readonly audit: LoginAudit
}

const BEARER = /^Bearer +(\S+) *$/i

function callerOf({ id, role, accountId }: Credential, via: Caller['via']): Caller {
  return { credentialId: id, role, accountId, via }
}

/** Knows callers by API key, by the short token made from one, or by a browser's session. */
export class CallerDirectory implements CallerSource {
  readonly #deps: DirectoryDeps

  constructor(deps: DirectoryDeps) {
    this.#deps = deps
  }

  /** What a header says goes before what a browser adds of itself. */
  async identify(approach: Approach): Promise<Caller> {
    const authorization = approach.header('Authorization')
    if (authorization !== undefined) return this.#byHeader(authorization, approach.address)
    const token = readSessionCookie(approach.header, approach.secure)
    if (token !== undefined) return this.#bySession(token, approach)
    throw notShown()
  }

  async scope(caller: Caller, picked: string | undefined): Promise<Scope> {
    const scope = actIn(caller, picked)
    if (scope.accountId === caller.accountId) return { role: scope.role, accountId: scope.accountId }
    const id = idSchema('account').safeParse(scope.accountId).data
    const account = id && (await this.#deps.repository.find('account', id, SYSTEM_ACCOUNT))
    if (account) return scope
    throw new AppError('ENTITY_NOT_FOUND', 'There is no such account.', { details: { kind: 'account' } })
  }

  denied({ credentialId, role }: Caller, { accountId, ...denial }: Denial): Promise<void> {
    const by = { credentialId: credentialId as Credential['id'], role }
    const owner = accountId as Credential['accountId']
    return this.#deps.audit.refused({ ...denial, accountId: owner, by, code: 'PERMISSION_DENIED' })
  }

  async #byHeader(authorization: string, address: string): Promise<Caller> {
    const { authenticator } = this.#deps
    const shown = BEARER.exec(authorization)?.[1]
    if (shown === undefined) throw notLetIn('The header must be `Authorization: Bearer` and an API key or a token.')
    const login = parseApiKey(shown)
    if (login) return callerOf(await authenticator.bySecret(login, address), 'api-key')
    const { credential } = await authenticator.byToken('token', shown)
    return callerOf(credential, 'token')
  }

  async #bySession(token: string, approach: Approach): Promise<Caller> {
    const { authenticator, sessions, audit } = this.#deps
    const { credential, claims } = await authenticator.byToken('session', token)
    if (await sessions.hasEnded(claims.id)) throw notLetIn('This session has been ended.')
    try {
      if (isUnsafe(approach)) assertOwnPage(approach)
    } catch (error) {
      const { id, role, accountId } = credential
      const by = { credentialId: id, role }
      await audit.refused({ accountId, by, action: 'session.use', address: approach.address, code: 'PAGE_FOREIGN' })
      throw error
    }
    return callerOf(credential, 'session')
  }
}
