import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { SpekeConfig } from '../config/key-provider.ts'
import { WebhookTargets } from '../events/webhook-target.ts'
import type { KeyProvider } from '../keys/key-provider.ts'
import type { PeriodShelf } from '../keys/period-keys.ts'
import { SpekeClient } from '../keys/speke-client.ts'
import { spekeKeyProvider } from '../keys/speke-provider.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { drmSystems } from '../protection/drm/drm-systems.ts'
import { GuardedFetch } from './guarded-fetch.ts'

/** What gives keys by SPEKE v2, as the configuration says. @throws AppError `CONFIG_UNREADABLE` for a certificate or a key that can't be read */
export function openSpeke(config: SpekeConfig, clock: Clock, shelf: PeriodShelf): KeyProvider {
  const { url, username, password, certificate, privateKey, systems, timeout: timeoutMs, allowPrivate } = config
  const headers = Object.fromEntries(Object.entries(config.headers).map(([name, value]) => [name, value.reveal()]))
  if (username !== undefined && password) {
    headers['Authorization'] = `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`
  }
  const recipient =
    certificate !== undefined && privateKey !== undefined ? recipientOf(certificate, privateKey) : undefined
  const fetch = new GuardedFetch(new WebhookTargets({ allowPrivate }))
  const systemIds = systems.map((name) => drmSystems[name])
  const terms = { url, headers, systemIds, timeoutMs, ...(recipient && { recipient }) }
  return spekeKeyProvider(
    new SpekeClient(terms, { post: (post, limits) => fetch.exchange(post, limits), clock }),
    clock,
    shelf,
  )
}

function recipientOf(certificateFile: string, keyFile: string): { certificate: string; privateKey: KeyObject } {
  const certificate = read(certificateFile, 'certificate', (text) => new X509Certificate(text))
  const privateKey = read(keyFile, 'private key', createPrivateKey)
  if (privateKey.asymmetricKeyType !== 'rsa' || !certificate.checkPrivateKey(privateKey)) {
    throw new AppError(
      'CONFIG_UNREADABLE',
      `${keyFile} holds no RSA key that ${certificateFile} is the certificate of (keys.provider.speke).`,
    )
  }
  return { certificate: certificate.raw.toString('base64'), privateKey }
}

function read<T>(file: string, what: string, parse: (text: string) => T): T {
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new AppError(
      'CONFIG_UNREADABLE',
      `The ${what} of keys.provider.speke can't be read from ${file}: ${messageOf(cause)}.`,
      { cause },
    )
  }
}
