import { randomBytes } from 'node:crypto'
import { base64url, decodeJwt, decodeProtectedHeader, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { hashSecret, secretMark } from '../../../../src/api/auth/secret-hash.ts'
import { SignedTokens } from '../../../../src/api/auth/signed-tokens.ts'
import { newId } from '../../../../src/domain/kinds.ts'
import { VirtualClock } from '../../../../src/lib/clock.ts'

const key = randomBytes(32)
const credential = { id: newId('credential', randomBytes), secretHash: hashSecret('secret') }
const refused = (message: RegExp) =>
  expect.objectContaining({
    code: 'UNAUTHENTICATED',
    message: expect.stringMatching(message),
    details: expect.objectContaining({ challenge: expect.stringContaining('error="invalid_token"') }),
  })

function open(clock = new VirtualClock()) {
  return { clock, tokens: new SignedTokens(key, clock, randomBytes) }
}

describe('a token', () => {
  it('names its credential, the secret that it was made of, and its end; and no role', async () => {
    const { clock, tokens } = open()
    const { token, expiresAt } = await tokens.issue('token', credential, 900_000)
    expect(expiresAt).toBe(clock.now() + 900_000)
    const claims = await tokens.read('token', token)
    expect(claims).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      credentialId: credential.id,
      mark: secretMark(credential.secretHash),
      expiresAt,
    })
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'at+jwt' })
    expect(decodeJwt(token)).toMatchObject({ iss: 'urn:headend', aud: 'urn:headend:api', sub: credential.id })
    expect(JSON.stringify(decodeJwt(token))).not.toMatch(/role|admin|account/)
  })

  it('ends to the second', async () => {
    const { clock, tokens } = open()
    const { token } = await tokens.issue('token', credential, 900_000)
    await clock.advance(899_999)
    await expect(tokens.read('token', token)).resolves.toMatchObject({ credentialId: credential.id })
    await clock.advance(1)
    await expect(tokens.read('token', token)).rejects.toEqual(refused(/has expired/))
  })

  it('is no session, nor a session a token', async () => {
    const { tokens } = open()
    const token = (await tokens.issue('token', credential, 900_000)).token
    const session = (await tokens.issue('session', credential, 900_000)).token
    await expect(tokens.read('session', token)).rejects.toEqual(refused(/no session of ours/))
    await expect(tokens.read('token', session)).rejects.toEqual(refused(/no token of ours/))
  })

  it('is nobody else’s to make', async () => {
    const { clock, tokens } = open()
    const claims = { mark: secretMark(credential.secretHash) }
    const nowS = Math.floor(clock.now() / 1_000)
    const sign = (alg: string, secret: Uint8Array, typ = 'at+jwt') =>
      new SignJWT(claims)
        .setProtectedHeader({ alg, typ })
        .setIssuer('urn:headend')
        .setAudience('urn:headend:api')
        .setSubject(credential.id)
        .setJti('x')
        .setIssuedAt(nowS)
        .setExpirationTime(nowS + 60)
        .sign(secret)
    const good = await sign('HS256', key)
    await expect(tokens.read('token', good)).resolves.toMatchObject({ id: 'x' })
    const [header = '', payload = '', signature = ''] = good.split('.')
    const altered = base64url.encode(
      JSON.stringify({ ...decodeJwt<object>(good), sub: newId('credential', randomBytes) }),
    )
    const unsigned = new UnsecuredJWT({ ...decodeJwt<object>(good) }).encode()
    const bad = [
      await sign('HS256', randomBytes(32)),
      await sign('HS512', Buffer.concat([key, key])),
      await sign('HS256', key, 'JWT'),
      unsigned,
      `${header}.${altered}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      '',
      'x',
      'a.b.c',
      good.slice(0, -2),
    ]
    for (const token of bad) {
      await expect(tokens.read('token', token)).rejects.toEqual(refused(/no token of ours/))
    }
  })

  it('without what it has to say is none', async () => {
    const { clock, tokens } = open()
    const nowS = Math.floor(clock.now() / 1_000)
    const bare = await new SignJWT({})
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
      .setIssuer('urn:headend')
      .setAudience('urn:headend:api')
      .setExpirationTime(nowS + 60)
      .sign(key)
    await expect(tokens.read('token', bare)).rejects.toEqual(refused(/no token of ours/))
  })
})
