import type { EntityStore } from '../../domain/entity-store.ts'
import type { RandomBytes } from '../../domain/kinds.ts'
import { Repository } from '../../domain/repository.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { Authenticator } from './authenticator.ts'
import { CallerDirectory } from './caller-directory.ts'
import { LoginAudit } from './login-audit.ts'
import { LoginGuard } from './login-guard.ts'
import { MemoryRateLimiter } from './rate-limiter.ts'
import { Sessions } from './sessions.ts'
import { SignedTokens } from './signed-tokens.ts'

/** Lifetimes and limits; times in ms. */
export type AuthOptions = {
  readonly tokenLifetimeMs: number
  readonly sessionLifetimeMs: number
  /** Failed logins from one address, and with one credential from one address, before they are shut out. */
  readonly failuresPerAddress: number
  readonly failuresPerCredential: number
  readonly failureWindowMs: number
  readonly lockOutMs: number
  /** What one credential may ask in so long. */
  readonly requestsPerCredential: number
  readonly requestWindowMs: number
}

type AuthPorts = {
  readonly store: EntityStore
  readonly clock: Clock
  readonly logger: Logger
  readonly random: RandomBytes
  readonly signingKey: Uint8Array
}

/** Everything that knows who somebody is. */
export type Auth = {
  readonly repository: Repository
  readonly callers: CallerDirectory
  readonly authenticator: Authenticator
  readonly tokens: SignedTokens
  readonly sessions: Sessions
  readonly audit: LoginAudit
  readonly tokenLifetimeMs: number
}

const REFUSALS_PER_MINUTE = { count: 120, windowMs: 60_000 }

/** Wires it up; nothing runs in the background. */
export function openAuth(options: AuthOptions, { store, clock, logger, random, signingKey }: AuthPorts): Auth {
  const repository = new Repository(store)
  const { failureWindowMs: windowMs, lockOutMs } = options
  const guard = new LoginGuard({
    address: new MemoryRateLimiter({ count: options.failuresPerAddress, windowMs, lockOutMs }),
    credential: new MemoryRateLimiter({ count: options.failuresPerCredential, windowMs, lockOutMs }),
  })
  const requests = new MemoryRateLimiter({
    count: options.requestsPerCredential,
    windowMs: options.requestWindowMs,
  })
  const tokens = new SignedTokens(signingKey, clock, random)
  const refusals = new MemoryRateLimiter(REFUSALS_PER_MINUTE)
  const audit = new LoginAudit({ repository, clock, logger, refusals })
  const authenticator = new Authenticator({ repository, clock, logger, guard, audit, tokens, requests })
  const sessions = new Sessions({ store, tokens, lifetimeMs: options.sessionLifetimeMs })
  const callers = new CallerDirectory({ repository, authenticator, sessions, audit })
  return { repository, callers, authenticator, tokens, sessions, audit, tokenLifetimeMs: options.tokenLifetimeMs }
}
