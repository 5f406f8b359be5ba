import { createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { checkSignatures, signPrefix } from '../../../src/origin/signed-access.ts'
import { cookieSignatures, splitSignature } from '../../../src/origin/signed-url.ts'

const NOW_MS = 1_800_000_000_000
const expiry = NOW_MS / 1_000 + 60
const secret = 'a secret of the operator'
const keys = [
  { name: 'one', secret },
  { name: 'two', secret: 'another secret entirely' },
]
const visit = { locatorId: 'loc', path: '/Loc/film.ism/manifest', address: '192.0.2.7', nowMs: NOW_MS }
const base64url = (text: string) => Buffer.from(text).toString('base64url')

function limited(prefix: string, address?: string, until = expiry): string {
  const mac = createHmac('sha256', secret)
    .update(`prefix\n${prefix}\n${until}\n${address ?? ''}`)
    .digest('base64url')
  return [`one.${until}.p${base64url(prefix)}`, ...(address === undefined ? [] : [`a${base64url(address)}`]), mac].join(
    '.',
  )
}

function jwt(claims: Record<string, unknown>, alg = 'HS256', kid = 'one', key = secret): Promise<string> {
  return new SignJWT({ exp: expiry, ...claims }).setProtectedHeader({ alg, kid }).sign(Buffer.from(key))
}

function outcome(text: string, more: Partial<typeof visit> = {}): string {
  try {
    const { untilMs, isPersonal } = checkSignatures(keys, [text], { ...visit, ...more })
    return `until ${untilMs / 1_000 - NOW_MS / 1_000}${isPersonal ? ' personal' : ''}`
  } catch (error) {
    return (error as Error).message.replace('The signature of this request ', '')
  }
}

describe('signatures of a path prefix', () => {
  it('let through what lies under it, until they expire', () => {
    expect(signPrefix(secret, '/loc', String(expiry))).toBe(limited('/loc').split('.').at(-1))
    for (const prefix of ['/', '/loc', '/LOC/', '/loc/film.ism/', '/loc/film.ism/manifest']) {
      expect(outcome(limited(prefix))).toBe('until 60')
    }
    for (const prefix of ['/lo', '/loc/film.ism/man', '/other', '/loc/film.ism/manifest/x']) {
      expect(outcome(limited(prefix))).toBe('is for something else.')
    }
    expect(outcome(limited('/loc'), { path: '/loc/../other/x' })).toBe('is for something else.')
    expect(outcome(limited('/loc'), { path: '/loc/%2e%2E/other/x' })).toBe('is for something else.')
    expect(outcome(limited('loc'))).toBe('is not right.')
    expect(outcome(limited('/loc', undefined, expiry - 60))).toBe('has expired.')
  })

  it('may be for an address, or a network', () => {
    expect(outcome(limited('/loc', '192.0.2.7'))).toBe('until 60 personal')
    expect(outcome(limited('/loc', '192.0.2.0/24'), { address: '::ffff:192.0.2.9' })).toBe('until 60 personal')
    expect(outcome(limited('/loc', '2001:db8::/32'), { address: '2001:db8::1' })).toBe('until 60 personal')
    for (const address of ['192.0.2.8', '2001:db8::/32', 'x', '192.0.2.7/33', '192.0.2.7/']) {
      expect(outcome(limited('/loc', address))).toBe('is for another address.')
    }
  })

  it('can’t be changed in any character', () => {
    const text = limited('/loc', '192.0.2.7')
    for (let at = 0; at < text.length; at += 1) {
      const other = text[at] === 'A' ? 'B' : 'A'
      const changed = text.slice(0, at) + other + text.slice(at + 1)
      // Base64 has bits to spare in the last character of a part; those say nothing.
      const parts = (one: string) =>
        one.split('.').map((part) => Buffer.from(part.replace(/^[pa]/, ''), 'base64url').toString('hex'))
      if (parts(changed).join() === parts(text).join()) continue
      expect(outcome(changed)).toBe('is not right.')
      expect(outcome(text.slice(0, at))).toBe('is not right.')
    }
  })
})

describe('signatures that are JWTs', () => {
  it('say by their claims what they are for', async () => {
    for (const alg of ['HS256', 'HS384', 'HS512']) expect(outcome(await jwt({}, alg))).toBe('until 60')
    expect(outcome(await jwt({ path: '/loc', ip: '192.0.2.7' }))).toBe('until 60 personal')
    expect(outcome(await jwt({ path: '/other' }))).toBe('is for something else.')
    expect(outcome(await jwt({ ip: '192.0.2.8' }))).toBe('is for another address.')
    expect(outcome(await jwt({ nbf: expiry - 30 }))).toBe('is not valid yet.')
    expect(outcome(await jwt({ exp: expiry - 60 }))).toBe('has expired.')
  })

  it('are refused where they are not what they should be', async () => {
    const none = `${base64url('{"alg":"none","kid":"one"}')}.${base64url(`{"exp":${expiry}}`)}.${'A'.repeat(43)}`
    const wrong = [
      await jwt({ exp: undefined }),
      await jwt({ exp: 'soon' }),
      await jwt({ path: 'loc' }),
      await jwt({ path: 7 }),
      await jwt({ ip: 7 }),
      await jwt({}, 'HS256', 'two'),
      await jwt({}, 'HS256', 'three'),
      await jwt({}, 'HS256', 'one', 'x'.repeat(32)),
      none,
      none.replace(/\.A+$/, '.'),
      'eyJ.eyJ.x',
    ]
    for (const text of wrong) expect(outcome(text)).toBe('is not right.')
    expect(outcome((await jwt({})).replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')))).toBe('is not right.')
  })
})

describe('where signatures stand', () => {
  it('in cookies, several of a name, and of others none', () => {
    expect(cookieSignatures(undefined)).toEqual([])
    expect(cookieSignatures('a=1; Headend-Access=x ;headend-access=y; headend-access=; xheadend-access=z')).toEqual([
      'x',
      'y',
    ])
    expect(cookieSignatures(Array(20).fill('headend-access=x').join('; '))).toHaveLength(8)
    expect(cookieSignatures(`headend-access=${'x'.repeat(2_049)}`)).toEqual([])
    expect(checkSignatures(keys, ['wrong', limited('/other'), limited('/loc')], visit).untilMs).toBe(expiry * 1_000)
    expect(() => checkSignatures(keys, [], visit)).toThrow('signed cookie')
  })

  it('or before the locator', () => {
    expect(splitSignature('/signed/a.b-c_d/loc/x?y')).toEqual({ target: '/loc/x?y', signature: 'a.b-c_d' })
    expect(splitSignature('http://h/SIGNED/s/loc')).toEqual({ target: 'http://h/loc', signature: 's' })
    expect(splitSignature('/signed')).toEqual({ target: '/signed', signature: undefined })
    expect(() => splitSignature('/signed//loc')).toThrow()
    expect(() => splitSignature(`/signed/${'x'.repeat(2_049)}/loc`)).toThrow()
  })
})
