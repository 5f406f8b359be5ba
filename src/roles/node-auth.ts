import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { ensureFirstCredentials, type FirstCredentials } from '../api/auth/first-credentials.ts'
import { type Auth, openAuth } from '../api/auth/open-auth.ts'
import type { SecretFile } from '../api/auth/ports.ts'
import { signingKey } from '../api/auth/signing-key.ts'
import type { Config } from '../config/schema.ts'
import type { EntityStore } from '../domain/entity-store.ts'
import { Repository } from '../domain/repository.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { DataDir } from './data-dir.ts'

type AuthPorts = {
  readonly store: EntityStore
  readonly clock: Clock
  readonly logger: Logger
  readonly dataDir: DataDir
}

const kept = z.object({ secret: z.string() })

/** A secret in a file of the data folder. */
function secretFile(dataDir: DataDir, name: string): SecretFile {
  return {
    async read() {
      const found = dataDir.readJson(name)
      if (found === undefined) return undefined
      const parsed = kept.safeParse(found)
      if (parsed.success) return parsed.data.secret
      throw new AppError('STATE_UNWRITABLE', `${name} in the data folder is damaged: ${z.prettifyError(parsed.error)}`)
    },
    write: (secret) => dataDir.writeJson(name, { secret }),
  }
}

/** Who may call this node's API, with the first credentials made where there are none. @throws AppError */
export async function openNodeAuth(
  config: Config['auth'],
  { dataDir, ...ports }: AuthPorts,
): Promise<FirstCredentials & { readonly auth: Auth }> {
  const shared = { ...ports, random: randomBytes }
  const first = await ensureFirstCredentials({
    ...shared,
    repository: new Repository(ports.store),
    keyFile: secretFile(dataDir, 'system-api-key.json'),
    configuredKey: config.systemApiKey?.reveal(),
  })
  const keyFile = secretFile(dataDir, 'signing-key.json')
  const options = {
    tokenLifetimeMs: config.tokenLifetime,
    sessionLifetimeMs: config.sessionLifetime,
    failuresPerAddress: config.failedLogins.perAddress,
    failuresPerCredential: config.failedLogins.perCredential,
    failureWindowMs: config.failedLogins.window,
    lockOutMs: config.failedLogins.lockOut,
    requestsPerCredential: config.requests.perCredential,
    requestWindowMs: config.requests.window,
  }
  const key = await signingKey(config.signingKey?.reveal(), keyFile, randomBytes)
  return { ...first, auth: openAuth(options, { ...shared, signingKey: key }) }
}
