import type { DrmSignalling } from '../domain/drm-signalling.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import type { KeyTracks } from '../domain/track-keys.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { CONTENT_KEY_BYTES } from '../protection/content-key-derivation.ts'
import { commandOutput } from './command-output.ts'

/** For which key a value is wanted. */
export type KeyWish = {
  readonly keyId: string
  readonly kind: string
  readonly accountId: string
  /** What the provider knows the content by; absent: the KID. */
  readonly contentId?: string | undefined
  /** What it is meant to encrypt; absent: everything. */
  readonly tracks?: readonly KeyTracks[] | undefined
}

/** A KID, and for that of a period its begin. */
export type PeriodWish = { readonly kid: string; readonly startMs?: number }

/** A period of a key that rotates. */
export type KeyPeriod = Required<PeriodWish> & { readonly periodMs: number }

/** What a provider gives: 16 bytes, and what players are to be told of the key. */
export type ProvidedKey = { readonly value: Uint8Array; readonly signalling?: DrmSignalling }

/** Where the values of content keys come from that nobody gave one for. */
export type KeyProvider = {
  /** @throws AppError `KEY_PROVIDER_DOWN`; the signal's reason */
  keyOf(wish: KeyWish, signal: AbortSignal): Promise<ProvidedKey>
  /** The key of a period of one that rotates; absent: they follow from the key's own value. @throws AppError as `keyOf` */
  periodKeyOf?(wish: KeyWish, period: KeyPeriod, signal: AbortSignal): Promise<ProvidedKey>
}

/** Draws them here. */
export function localKeyProvider(random: RandomBytes): KeyProvider {
  return { keyOf: async () => ({ value: random(CONTENT_KEY_BYTES) }) }
}

const COMMAND_TIMEOUT_MS = 10_000
const MAX_TEXT_BYTES = 4_096

/**
 * Asks a program for them, run without a shell: the KID, the kind and the account are its last arguments, and it prints 16 bytes in
 * hex or base64, within 10 s. The same KID should give the same key.
 */
export function commandKeyProvider(command: readonly string[], clock: Clock): KeyProvider {
  const [program = ''] = command
  return {
    async keyOf({ keyId, kind, accountId }, signal) {
      const limits = { clock, signal, timeoutMs: COMMAND_TIMEOUT_MS, maxBytes: MAX_TEXT_BYTES }
      let text: string
      try {
        text = (await commandOutput([...command, keyId, kind, accountId], limits)).trim()
      } catch (cause) {
        signal.throwIfAborted()
        throw new AppError('KEY_PROVIDER_DOWN', `The key provider (${program}) gives no key: ${messageOf(cause)}.`, {
          cause,
        })
      }
      const key = parseKey(text)
      if (key) return { value: key }
      const found = text === '' ? 'nothing' : `${text.length} characters of something else`
      throw new AppError(
        'KEY_PROVIDER_DOWN',
        `The key provider (${program}) prints ${found}: 16 bytes in hex or base64 are wanted.`,
      )
    },
  }
}

function parseKey(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{32}$/i.test(text)) return Buffer.from(text, 'hex')
  const bytes = /^[A-Za-z0-9+/_-]{22}(==)?$/.test(text) ? Buffer.from(text, 'base64') : undefined
  return bytes?.byteLength === CONTENT_KEY_BYTES ? bytes : undefined
}
