import { createHmac, createPrivateKey } from 'node:crypto'
import { expect, it } from 'vitest'
import { opensslPair } from '../support/openssl-keys.ts'
import {
  ISSUER,
  judge,
  mutated,
  NOW_MS,
  restrictionOf,
  secret,
  seeded,
  symmetric,
  tokenOf,
} from '../support/token-bench.ts'

const rsa = opensslPair('rsa')
const p256 = opensslPair('p256')
const form = `Audience=urn%3Aplayer&ExpiresOn=${NOW_MS / 1_000 + 600}&Issuer=${encodeURIComponent(ISSUER)}`
const signature = createHmac('sha256', secret).update(form).digest('base64')

it.each([
  ['HS256', tokenOf(), restrictionOf({ primaryKey: symmetric })],
  [
    'RS256',
    tokenOf({}, 'RS256', createPrivateKey(rsa.privateKey)),
    restrictionOf({ primaryKey: { kind: 'rsa', pem: rsa.publicKey } }),
  ],
  [
    'ES256',
    tokenOf({}, 'ES256', createPrivateKey(p256.privateKey)),
    restrictionOf({ primaryKey: { kind: 'x509', pem: p256.certificate } }),
  ],
  [
    'SWT',
    Promise.resolve(`${form}&HMACSHA256=${encodeURIComponent(signature)}`),
    restrictionOf({ tokenType: 'swt', primaryKey: symmetric }),
  ],
])(
  '10,000 mutations of a token by %s, and none is accepted',
  { timeout: 600_000 },
  async (_name, made, restriction) => {
    const token = await made
    const random = seeded(1)
    expect(await judge(token, restriction)).toBeUndefined()
    const accepted: string[] = []
    for (let count = 0; count < 10_000; count += 1) {
      const other = mutated(token, random)
      // The same signature in other digits of a percent-encoding is the same token.
      if (decodeURIComponentOr(other) === decodeURIComponent(token)) continue
      if ((await judge(other, restriction)) === undefined) accepted.push(other)
    }
    expect(accepted).toEqual([])
  },
)

function decodeURIComponentOr(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
