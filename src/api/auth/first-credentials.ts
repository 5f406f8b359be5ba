import type { Account } from '../../domain/account.ts'
import { accountCreateSchema, newAccount } from '../../domain/account.ts'
import { accountDefaults } from '../../domain/account-defaults.ts'
import { ChangeSet } from '../../domain/change-set.ts'
import {
  type Credential,
  formatApiKey,
  newCredential,
  newCredentialSecret,
  parseApiKey,
} from '../../domain/credential.ts'
import { type Id, newId, type RandomBytes, SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import type { Repository } from '../../domain/repository.ts'
import { formatTimestamp } from '../../domain/scalars.ts'
import type { Subject } from '../../domain/subject.ts'
import type { Clock } from '../../lib/clock.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Login } from './authenticator.ts'
import type { SecretFile } from './ports.ts'
import { hashSecret, matchesSecret } from './secret-hash.ts'

type FirstDeps = {
  readonly repository: Repository
  readonly clock: Clock
  readonly logger: Logger
  readonly random: RandomBytes
  /** Where the API key of `system` is kept, so that whoever has the machine can read it. */
  readonly keyFile: SecretFile
  /** The API key that the configuration states for `system`. */
  readonly configuredKey?: string | undefined
}

/** What a node starts with. */
export type FirstCredentials = {
  /** The API key of `system`; absent where only somebody else knows it. */
  readonly systemApiKey: string | undefined
  /** The account `default`, or the oldest where none is called so. */
  readonly account: Account
}

const NAME = 'system'
const DEFAULT_ACCOUNT = 'default'
/** Nodes that start at once make the same things: who is second finds them. */
const MAX_ATTEMPTS = 5

/** Sees to it that there is somebody who may do everything, and an account to do it in. @throws AppError */
export async function ensureFirstCredentials(deps: FirstDeps): Promise<FirstCredentials> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { systemApiKey: await ensureSystem(deps), account: await ensureAccount(deps) }
    } catch (error) {
      const isRace =
        error instanceof AppError &&
        ['NAME_TAKEN', 'ENTITY_EXISTS', 'ETAG_MISMATCH', 'ENTITY_NOT_FOUND'].includes(error.code)
      if (!isRace || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

async function ensureSystem(deps: FirstDeps): Promise<string | undefined> {
  const { repository, keyFile, configuredKey, logger } = deps
  const current = await repository.findByName('credential', NAME, SYSTEM_ACCOUNT)
  if (configuredKey !== undefined) {
    const login = parseApiKey(configuredKey)
    if (!login) throw new AppError('CONFIG_INVALID', 'The API key configured for system is none.')
    if (!isKeyOf(login, current)) await replaceSystem(deps, current, login)
    return configuredKey
  }
  const kept = (await keyFile.read())?.trim()
  const login = kept === undefined ? undefined : parseApiKey(kept)
  if (current) {
    if (login && isKeyOf(login, current)) return kept
    logger.warn('the API key of system is not in the data folder; to set another, configure auth.systemApiKey')
    return undefined
  }
  if (login) {
    // An earlier start got no further than writing the key down.
    await replaceSystem(deps, undefined, login)
    return kept
  }
  const secret = newCredentialSecret(deps.random)
  const credentialId = newId('credential', deps.random)
  const apiKey = formatApiKey(credentialId, secret)
  // First the key, then the credential: a key that nobody knows would lock everybody out.
  await keyFile.write(`${apiKey}\n`)
  await replaceSystem(deps, undefined, { credentialId, secret })
  return apiKey
}

function isKeyOf({ credentialId, secret }: Login, credential: Credential | undefined): boolean {
  return credential?.id === credentialId && matchesSecret(secret, credential.secretHash)
}

async function replaceSystem(deps: FirstDeps, current: Credential | undefined, login: Login): Promise<void> {
  const { repository, random } = deps
  const changes = new ChangeSet()
  const secretHash = hashSecret(login.secret)
  if (current?.id === login.credentialId) {
    changes.update('credential', { ...current, secretHash })
  } else {
    if (current) changes.delete('credential', current)
    const given = { name: NAME, description: 'Manages accounts.', tags: {}, role: 'system' } as const
    const draft = newCredential(given, SYSTEM_ACCOUNT, secretHash, random)
    changes.create('credential', { ...draft, id: login.credentialId as Id<'credential'> })
  }
  const subject = { kind: 'credential', id: login.credentialId, name: NAME } as const
  audit(deps, changes, current ? 'credential.rotate-secret' : 'credential.create', subject)
  await repository.commit(changes)
}

async function ensureAccount(deps: FirstDeps): Promise<Account> {
  const { repository, random } = deps
  const named = await repository.findByName('account', DEFAULT_ACCOUNT, SYSTEM_ACCOUNT)
  if (named) return named
  const [oldest] = (await repository.list('account', { accountId: SYSTEM_ACCOUNT, limit: 1 })).items
  if (oldest) return oldest
  const changes = new ChangeSet()
  const draft = newAccount(accountCreateSchema.parse({ name: DEFAULT_ACCOUNT }), random)
  const handle = changes.create('account', draft)
  const { storageAccount, streamingEndpoint } = accountDefaults(draft, random)
  changes.create('storage-account', storageAccount)
  changes.create('streaming-endpoint', streamingEndpoint)
  audit(deps, changes, 'account.create', { kind: 'account', id: draft.id, name: draft.name })
  return (await repository.commit(changes)).get(handle)
}

function audit({ clock }: FirstDeps, changes: ChangeSet, action: string, subject: Subject): void {
  const time = formatTimestamp(clock.now())
  changes.audit({ accountId: SYSTEM_ACCOUNT, time, actor: { role: 'server' }, action, subject, outcome: 'done' })
}
