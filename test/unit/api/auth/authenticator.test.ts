import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Authenticator } from '../../../../src/api/auth/authenticator.ts'
import { LoginAudit } from '../../../../src/api/auth/login-audit.ts'
import { LoginGuard } from '../../../../src/api/auth/login-guard.ts'
import { MemoryRateLimiter } from '../../../../src/api/auth/rate-limiter.ts'
import { hashSecret } from '../../../../src/api/auth/secret-hash.ts'
import { SignedTokens } from '../../../../src/api/auth/signed-tokens.ts'
import { credentialSchema, newCredential } from '../../../../src/domain/credential.ts'
import { newId } from '../../../../src/domain/kinds.ts'
import type { Repository } from '../../../../src/domain/repository.ts'
import { VirtualClock } from '../../../../src/lib/clock.ts'
import { silentLogger } from '../../../../src/lib/logger.ts'

const secret = 's'.repeat(43)
const given = { name: 'bot', tags: {}, role: 'viewer' } as const
const credential = credentialSchema.parse({
  ...newCredential(given, newId('account', randomBytes), hashSecret(secret), randomBytes),
  created: '2026-11-02T20:15:00Z',
  lastModified: '2026-11-02T20:15:00Z',
  etag: '1',
})
const wide = () => new MemoryRateLimiter({ count: 1_000, windowMs: 60_000 })

/** An authenticator over a store that answers when it is told to. */
function open() {
  const clock = new VirtualClock()
  const answer = Promise.withResolvers<void>()
  const asked: string[] = []
  const repository = {
    async findAnywhere(_kind: string, id: string) {
      asked.push(id)
      await answer.promise
      return id === credential.id ? credential : undefined
    },
    commit: async () => undefined,
  } as unknown as Repository
  const guard = new LoginGuard({ address: wide(), credential: new MemoryRateLimiter({ count: 3, windowMs: 60_000 }) })
  const audit = new LoginAudit({ repository, clock, logger: silentLogger, refusals: wide() })
  const tokens = new SignedTokens(randomBytes(32), clock, randomBytes)
  const deps = { repository, clock, logger: silentLogger, guard, audit, tokens, requests: wide() }
  return { authenticator: new Authenticator(deps), answer, asked }
}

describe('guesses that wait for the store together', () => {
  it('get no more verdicts than are allowed', async () => {
    const { authenticator, answer } = open()
    const guesses = Array.from({ length: 30 }, (_, index) =>
      authenticator
        .bySecret({ credentialId: credential.id, secret: `${index}` }, '192.0.2.1')
        .catch(({ code }) => code),
    )
    answer.resolve()
    const codes = await Promise.all(guesses)
    expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(3)
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(27)
  })

  it('ask the store nothing where the door is shut already', async () => {
    const { authenticator, answer, asked } = open()
    answer.resolve()
    const login = (text: string) => authenticator.bySecret({ credentialId: credential.id, secret: text }, '192.0.2.1')
    for (const wrong of ['a', 'b', 'c']) await expect(login(wrong)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(login(secret)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    expect(asked).toHaveLength(3)
  })

  it('with an id that is none are never put to the store', async () => {
    const { authenticator, asked } = open()
    for (const credentialId of ['', 'x', 'ch_4fZ0mTq2LrX8bNcVdKs1Ye', 'cr_\0', 'x'.repeat(1_000)]) {
      const login = { credentialId, secret }
      await expect(authenticator.bySecret(login, '192.0.2.1')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    expect(asked).toEqual([])
  })
})
