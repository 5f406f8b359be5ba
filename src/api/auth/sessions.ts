import type { Credential } from '../../domain/credential.ts'
import type { EntityStore } from '../../domain/entity-store.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import type { IssuedToken, SignedTokens, TokenClaims } from './signed-tokens.ts'

type SessionDeps = {
  readonly store: Pick<EntityStore, 'recall' | 'transaction'>
  readonly tokens: SignedTokens
  readonly lifetimeMs: number
}

/** No key of a client's request looks like it: those are hashes. */
const endedKey = (id: string) => `session-ended:${id}`

/** Browser sessions: signed, so that any node knows them after any restart; only those that were ended are remembered. */
export class Sessions {
  readonly #deps: SessionDeps

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  get lifetimeMs(): number {
    return this.#deps.lifetimeMs
  }

  begin(credential: Credential): Promise<IssuedToken> {
    return this.#deps.tokens.issue('session', credential, this.lifetimeMs)
  }

  /** Lets nobody in any more, wherever a copy of it may be. @throws AppError `STORE_DOWN` */
  async end({ id, expiresAt }: TokenClaims): Promise<void> {
    if (await this.hasEnded(id)) return
    const key = endedKey(id)
    const ended = { op: 'remember', accountId: SYSTEM_ACCOUNT, key, requestHash: key, answer: null } as const
    await this.#deps.store.transaction([{ ...ended, expires: expiresAt }])
  }

  /** @throws AppError `STORE_DOWN` */
  async hasEnded(id: string): Promise<boolean> {
    return (await this.#deps.store.recall(SYSTEM_ACCOUNT, endedKey(id))) !== undefined
  }
}
