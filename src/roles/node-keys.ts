import { randomBytes } from 'node:crypto'
import type { Config } from '../config/schema.ts'
import type { Repository } from '../domain/repository.ts'
import type { SecretKeeper } from '../domain/stored-secret.ts'
import { ContentKeys } from '../keys/content-keys.ts'
import { commandKeyProvider, type KeyProvider, localKeyProvider } from '../keys/key-provider.ts'
import { KeyRotation } from '../keys/key-rotation.ts'
import { MasterKeys } from '../keys/master-keys.ts'
import type { PeriodShelf } from '../keys/period-keys.ts'
import { StoredPeriodKeys } from '../keys/period-shelf.ts'
import { SealedKeys } from '../keys/sealed-keys.ts'
import { resealSecrets, SealedSecrets } from '../keys/sealed-secrets.ts'
import { StorageKeys } from '../keys/storage-keys.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { Group, type Scope } from '../lib/scope.ts'
import { openSpeke } from './speke.ts'

type KeyPorts = { readonly repository: Repository; readonly clock: Clock; readonly logger: Logger }

/** The keys of assets that are encrypted, and what keeps the secrets of storage accounts. */
export type NodeKeys = {
  readonly keys: StorageKeys
  readonly contentKeys: ContentKeys
  readonly secrets: SecretKeeper
}

/**
 * The keys of assets that are encrypted. Begins to look for the master key, and to seal anew what is sealed under another: a
 * master key that can't be had is in the log at once, and keeps nothing else from starting.
 */
export function openNodeKeys(
  { storage: config, keys: { provider } }: Pick<Config, 'storage' | 'keys'>,
  ports: KeyPorts,
  scope: Scope,
): NodeKeys {
  const { clock, logger, repository } = ports
  // Together: what waits for a master key ends when the command that should print it is ended.
  const parts = scope.own('keys', new Group())
  const masterKeys = parts.own(
    'master keys',
    new MasterKeys(config.masterKeys, { clock, environment: takeVariables(config) }),
  )
  const keys = new StorageKeys({ repository, masterKeys, random: randomBytes })
  const sealed = new SealedKeys(masterKeys, randomBytes)
  const shelf = new StoredPeriodKeys({ repository, masterKeys, sealed })
  const contentKeys = new ContentKeys({ masterKeys, provider: providerOf(provider, clock, shelf), random: randomBytes })
  const { primaryId } = masterKeys
  if (primaryId !== undefined) {
    masterKeys.load(primaryId).catch((error: unknown) => {
      logger.error({ masterKeyId: primaryId }, `encrypted assets can't be used: ${messageOf(error)}`)
    })
  }
  parts.own('key rotation', new KeyRotation({ ...ports, masterKeys, keys })).start()
  const secrets = new SealedSecrets(masterKeys, randomBytes)
  const resealing = new AbortController()
  const resealed = resealSecrets({ repository, secrets, logger }, resealing.signal).catch((error: unknown) => {
    logger.warn({ error: messageOf(error) }, 'storage accounts could not be looked through for secrets to seal')
  })
  parts.own('secrets to seal', {
    async stop() {
      resealing.abort()
      await resealed
    },
  })
  return { keys, contentKeys, secrets }
}

function providerOf({ command, speke }: Config['keys']['provider'], clock: Clock, shelf: PeriodShelf): KeyProvider {
  if (speke) return openSpeke(speke, clock, shelf)
  return command ? commandKeyProvider(command, clock) : localKeyProvider(randomBytes)
}

/** The variables that hold master keys, taken out of the environment: what is started here, ffmpeg above all, would inherit them. */
function takeVariables({ masterKeys }: Config['storage']): Record<string, string | undefined> {
  const names = masterKeys.flatMap(({ environment }) => (environment === undefined ? [] : [environment]))
  const taken = Object.fromEntries(names.map((name) => [name, process.env[name]]))
  for (const name of names) delete process.env[name]
  return taken
}
