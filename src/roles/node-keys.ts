import { randomBytes } from 'node:crypto'
import type { Config } from '../config/schema.ts'
import type { Repository } from '../domain/repository.ts'
import { KeyRotation } from '../keys/key-rotation.ts'
import { MasterKeys } from '../keys/master-keys.ts'
import { StorageKeys } from '../keys/storage-keys.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Scope } from '../lib/scope.ts'

type KeyPorts = { readonly repository: Repository; readonly clock: Clock; readonly logger: Logger }

/**
 * The keys of assets that are encrypted. Begins to look for the master key, and to seal anew what is sealed under another: a
 * master key that can't be had is in the log at once, and keeps nothing else from starting.
 */
export function openNodeKeys(config: Config['storage'], ports: KeyPorts, scope: Scope): StorageKeys {
  const { clock, logger, repository } = ports
  const masterKeys = scope.own('master keys', new MasterKeys(config.masterKeys, { clock, environment: process.env }))
  const keys = new StorageKeys({ repository, masterKeys, random: randomBytes })
  const { primaryId } = masterKeys
  if (primaryId !== undefined) {
    masterKeys.load(primaryId).catch((error: unknown) => {
      logger.error({ masterKeyId: primaryId }, `encrypted assets can't be used: ${messageOf(error)}`)
    })
  }
  scope.own('key rotation', new KeyRotation({ ...ports, masterKeys, keys })).start()
  return keys
}
