import { createHmac, createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { exportJWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { keyAuthorizationPolicyCreateSchema } from '../../../src/domain/key-authorization-policy.ts'
import { CONTENT_KEY_CLAIM } from '../../../src/domain/key-id.ts'
import { type OpensslPair, opensslPair } from '../../support/openssl-keys.ts'
import {
  ISSUER,
  judge,
  KID,
  mutated,
  NOW_MS,
  restrictionOf,
  secret,
  seeded,
  symmetric,
  tokenOf,
  verifierOf,
} from '../../support/token-bench.ts'

const pairs = {
  rsa: opensslPair('rsa'),
  p256: opensslPair('p256'),
  p384: opensslPair('p384'),
  p521: opensslPair('p521'),
  ed25519: opensslPair('ed25519'),
}
const own = restrictionOf({ primaryKey: symmetric, requiredClaims: [{ name: CONTENT_KEY_CLAIM }] })
const seconds = NOW_MS / 1_000
const privateKey = (pair: OpensslPair) => createPrivateKey(pair.privateKey)
const text = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const hmac = (alg: string, key: string | Uint8Array, header: object, payload: unknown) => {
  const signed = `${text({ alg, ...header })}.${text(payload)}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

describe('a token', () => {
  it.each(['HS256', 'HS384', 'HS512'])('is right by %s', async (alg) => {
    expect(await judge(await tokenOf({}, alg), own)).toBeUndefined()
  })

  it.each([
    ['RS256', 'rsa', pairs.rsa],
    ['RS384', 'rsa', pairs.rsa],
    ['RS512', 'rsa', pairs.rsa],
    ['PS256', 'rsa', pairs.rsa],
    ['PS384', 'rsa', pairs.rsa],
    ['PS512', 'rsa', pairs.rsa],
    ['ES256', 'ec', pairs.p256],
    ['ES384', 'ec', pairs.p384],
    ['ES512', 'ec', pairs.p521],
    ['EdDSA', 'ed25519', pairs.ed25519],
    ['Ed25519', 'ed25519', pairs.ed25519],
  ] as const)(
    'is right by %s, with the key, its certificate, and what the issuer publishes',
    async (alg, kind, pair) => {
      const token = await tokenOf({}, alg, privateKey(pair))
      expect(await judge(token, restrictionOf({ primaryKey: { kind, pem: pair.publicKey } }))).toBeUndefined()
      expect(await judge(token, restrictionOf({ primaryKey: { kind: 'x509', pem: pair.certificate } }))).toBeUndefined()
      const issuer = { keys: [{ ...(await exportJWK(createPublicKey(pair.publicKey))), alg }] }
      const published = restrictionOf({ jwksUrl: 'https://issuer.example/keys' })
      expect(await judge(token, published, verifierOf(issuer))).toBeUndefined()
    },
  )

  it('is right by any of the keys, whatever their kinds are', async () => {
    const other = { kind: 'symmetric', value: Buffer.alloc(32, 7).toString('base64') }
    const rsa = { kind: 'rsa', pem: pairs.rsa.publicKey }
    const restriction = restrictionOf({ primaryKey: other, alternateKeys: [rsa, symmetric] })
    expect(await judge(await tokenOf(), restriction)).toBeUndefined()
    expect(await judge(await tokenOf({}, 'RS256', privateKey(pairs.rsa)), restriction)).toBeUndefined()
    expect(await judge(await tokenOf({}, 'ES256', privateKey(pairs.p256)), restriction)).toBe('algorithm-not-allowed')
    expect(await judge(await tokenOf({}, 'HS256', createSecretKey(Buffer.alloc(32, 8))), restriction)).toBe(
      'signature-invalid',
    )
  })

  const required = (...requiredClaims: object[]) => restrictionOf({ primaryKey: symmetric, requiredClaims })

  it.each([
    ['token-expired', { exp: seconds - 60 }],
    ['token-without-expiry', { exp: undefined }],
    ['token-malformed', { exp: 'tomorrow' }],
    ['token-malformed', { nbf: 'now' }],
    ['token-not-yet-valid', { nbf: seconds + 61 }],
    ['issuer-wrong', { iss: 'https://issuer.example' }],
    ['issuer-wrong', { iss: [ISSUER] }],
    ['audience-wrong', { aud: 'urn:other' }],
    ['audience-wrong', { aud: undefined }],
    ['claim-missing', { [CONTENT_KEY_CLAIM]: undefined }],
    ['claim-missing', { [CONTENT_KEY_CLAIM]: null }],
    ['key-id-wrong', { [CONTENT_KEY_CLAIM]: '00000000-5a4e-4f60-8b1a-0c9d8e7f6a5b' }],
    ['key-id-wrong', { [CONTENT_KEY_CLAIM]: [KID] }],
    [undefined, { exp: seconds - 59, nbf: seconds + 60 }],
    [undefined, { nbf: undefined, aud: ['x', 'urn:player'] }],
    [undefined, { [CONTENT_KEY_CLAIM]: `{${KID.toUpperCase()}}` }],
    [undefined, { [CONTENT_KEY_CLAIM]: `nb:kid:UUID:${KID}` }],
  ])('is refused with %s for %j', async (reason, claims) => {
    expect(await judge(await tokenOf(claims), own)).toBe(reason)
  })

  it('has the claims that are required, with the values that are', async () => {
    const tier = required({ name: 'tier', value: 'gold' }, { name: 'user' })
    expect(await judge(await tokenOf({ tier: 'gold', user: 7 }), tier)).toBeUndefined()
    expect(await judge(await tokenOf({ tier: ['tin', 'gold'], user: '' }), tier)).toBeUndefined()
    expect(await judge(await tokenOf({ tier: 'tin', user: 7 }), tier)).toBe('claim-wrong')
    expect(await judge(await tokenOf({ tier: 'gold' }), tier)).toBe('claim-missing')
    expect(await judge(await tokenOf(), required({ name: 'toString' }))).toBe('claim-missing')
  })

  it('is not taken unsigned, nor signed with a public key as if that were a secret', async () => {
    const claims = { iss: ISSUER, aud: 'urn:player', exp: seconds + 600, [CONTENT_KEY_CLAIM]: KID }
    for (const alg of ['none', 'None', 'HS1', 'RSA-OAEP', '']) {
      expect(await judge(`${text({ alg })}.${text(claims)}.`, own)).toBe('algorithm-unsupported')
    }
    const { publicKey } = pairs.rsa
    const rsa = restrictionOf({ primaryKey: { kind: 'rsa', pem: publicKey } })
    const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
    for (const key of [publicKey, publicKey.trim(), der]) {
      expect(await judge(hmac('HS256', key, {}, claims), rsa)).toBe('algorithm-not-allowed')
      const both = restrictionOf({ primaryKey: { kind: 'rsa', pem: publicKey }, alternateKeys: [symmetric] })
      expect(await judge(hmac('HS256', key, {}, claims), both)).toBe('signature-invalid')
      const published = restrictionOf({ jwksUrl: 'https://issuer.example/keys' })
      const issuer = { keys: [{ ...(await exportJWK(createPublicKey(publicKey))) }] }
      expect(await judge(hmac('HS256', key, {}, claims), published, verifierOf(issuer))).toBe('algorithm-not-allowed')
    }
    // A token doesn't bring the key along that it is verified with.
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwk = await exportJWK(pair.publicKey)
    expect(await judge(await tokenOf({}, 'RS256', pair.privateKey, { jwk }), rsa)).toBe('signature-invalid')
  })

  it.each([
    ['token-malformed', ''],
    ['token-malformed', 'x'],
    ['token-malformed', 'a.b'],
    ['token-malformed', 'a.b.c'],
    ['token-malformed', `${text('[]')}.${text('{}')}.AAAA`],
    ['token-malformed', `${text({})}.${text({})}.AAAA`],
    ['token-malformed', `${text({ alg: 7 })}.${text({})}.AAAA`],
    ['token-oversized', `${text({ alg: 'HS256' })}.${'A'.repeat(8_192)}.AAAA`],
    ['token-malformed', hmac('HS256', secret, {}, 'no JSON')],
    ['token-malformed', hmac('HS256', secret, {}, '[1]')],
    ['token-malformed', hmac('HS256', secret, {}, 'null')],
    ['critical-unsupported', hmac('HS256', secret, { crit: ['exp2'], exp2: 1 }, {})],
    ['token-malformed', hmac('HS256', secret, { crit: ['b64'], b64: false }, {})],
  ])('is refused with %s (%#)', async (reason, token) => {
    expect(await judge(token, own)).toBe(reason)
  })

  it('of an issuer that can’t be asked, or doesn’t know its key, says so', async () => {
    const published = restrictionOf({ jwksUrl: 'https://issuer.example/keys' })
    const token = await tokenOf({}, 'RS256', privateKey(pairs.rsa), { kid: 'two' })
    expect(await judge(token, published)).toBe('verification-keys-unavailable')
    const keys = [{ ...(await exportJWK(createPublicKey(pairs.rsa.publicKey))), kid: 'one' }]
    expect(await judge(token, published, verifierOf({ keys }))).toBe('verification-key-unknown')
    expect(await judge(token, published, verifierOf({ keys: [] }))).toBe('verification-key-unknown')
    expect(await judge(token, published, verifierOf({ keys: [{ ...keys[0], kid: 'two' }] as never }))).toBeUndefined()
  })

  it('altered anywhere is no token any more: 500 of 500', { timeout: 20_000 }, async () => {
    const random = seeded(20_261_102)
    const token = await tokenOf()
    const accepted: string[] = []
    for (let count = 0; count < 500; count += 1) {
      const other = mutated(token, random)
      if ((await judge(other, own)) === undefined) accepted.push(other)
    }
    expect(accepted).toEqual([])
  })
})

describe('a simple web token', () => {
  const swt = restrictionOf({ tokenType: 'swt', primaryKey: symmetric, requiredClaims: [{ name: CONTENT_KEY_CLAIM }] })
  const sign = (form: string, key: Uint8Array = secret) =>
    `${form}&HMACSHA256=${encodeURIComponent(createHmac('sha256', key).update(form).digest('base64'))}`
  const form = (more: Record<string, string> = {}) =>
    new URLSearchParams({
      [CONTENT_KEY_CLAIM]: KID,
      Audience: 'urn:player',
      ExpiresOn: String(seconds + 600),
      Issuer: ISSUER,
      ...more,
    }).toString()

  it('of an old client is read', async () => {
    expect(await judge(sign(form()), swt)).toBeUndefined()
    const lower = sign(form()).replaceAll(/%[0-9A-F]{2}(?=[^&]*$)/g, (digits) => digits.toLowerCase())
    expect(await judge(lower, swt)).toBeUndefined()
  })

  it.each([
    ['signature-invalid', sign(form(), Buffer.alloc(32))],
    ['token-expired', sign(form({ ExpiresOn: String(seconds - 60) }))],
    ['token-malformed', sign(form({ ExpiresOn: 'soon' }))],
    ['token-without-expiry', sign(form().replace(/&ExpiresOn=\d+/, ''))],
    ['issuer-wrong', sign(form({ Issuer: 'x' }))],
    ['audience-wrong', sign(form({ Audience: 'x' }))],
    ['key-id-wrong', sign(form({ [CONTENT_KEY_CLAIM]: 'x' }))],
    ['token-malformed', sign(`${form()}&Issuer=${encodeURIComponent(ISSUER)}`)],
    ['token-malformed', sign(`${form()}&%`)],
    ['token-malformed', form()],
    ['token-malformed', `${form()}&HMACSHA256=`],
  ])('is refused with %s', async (reason, token) => expect(await judge(token, swt)).toBe(reason))

  it('and a JSON Web Token don’t pass for one another', async () => {
    expect(await judge(await tokenOf(), swt)).toBe('token-malformed')
    expect(await judge(sign(form()), own)).toBe('token-malformed')
  })
})

describe('a verification key', () => {
  const problem = (primaryKey: object, more: object = {}) => {
    const restriction = { kind: 'token', issuer: 'x', audience: 'y', primaryKey, ...more }
    const given = { name: 'x', options: [{ delivery: 'aes128', restriction }] }
    return keyAuthorizationPolicyCreateSchema.safeParse(given).error?.issues[0]?.message
  }

  it('is what it says, is public, and is strong enough', () => {
    expect(problem({ kind: 'rsa', pem: pairs.rsa.publicKey })).toBeUndefined()
    expect(problem({ kind: 'ec', pem: pairs.rsa.publicKey })).toContain('of the kind rsa')
    expect(problem({ kind: 'rsa', pem: pairs.rsa.privateKey })).toContain('private key')
    expect(problem({ kind: 'x509', pem: pairs.rsa.publicKey })).toContain('no certificate')
    expect(problem({ kind: 'rsa', pem: 'x'.repeat(64) })).toContain('no public key')
    expect(problem({ kind: 'rsa', pem: opensslPair('rsa-1024').publicKey })).toContain('1024 bits')
    expect(problem({ kind: 'rsa', pem: pairs.rsa.publicKey }, { tokenType: 'swt' })).toContain('symmetric')
  })
})
