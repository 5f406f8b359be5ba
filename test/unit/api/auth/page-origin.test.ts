import { describe, expect, it } from 'vitest'
import { assertNoForeignPage, assertOwnPage, isUnsafe } from '../../../../src/api/auth/page-origin.ts'

type Headers = Readonly<Record<string, string>>

function page(headers: Headers, secure = false, method = 'POST') {
  const all = new Map(Object.entries({ Host: 'studio.local:8080', ...headers }))
  return { method, secure, header: (name: string) => all.get(name) }
}

const foreign = expect.objectContaining({ code: 'PAGE_FOREIGN', kind: 'forbidden' })

describe('a request that a session vouches for', () => {
  it.each([
    [{ 'Sec-Fetch-Site': 'same-origin' }, false],
    [{ 'Sec-Fetch-Site': 'same-origin', Origin: 'http://seen.through.a.proxy' }, false],
    [{ Origin: 'http://studio.local:8080' }, false],
    [{ Origin: 'HTTP://Studio.local:8080' }, false],
    // A proxy that ends TLS reaches us in the clear.
    [{ Origin: 'https://studio.local:8080' }, false],
    [{ Origin: 'https://studio.local:8080' }, true],
  ])('comes from one of our own pages: %j', (headers: Headers, secure) => {
    expect(() => assertOwnPage(page(headers, secure))).not.toThrow()
    expect(() => assertNoForeignPage(page(headers, secure))).not.toThrow()
  })

  it.each([
    [{ 'Sec-Fetch-Site': 'cross-site' }, false],
    [{ 'Sec-Fetch-Site': 'same-site' }, false],
    [{ 'Sec-Fetch-Site': 'none' }, false],
    [{ 'Sec-Fetch-Site': 'cross-site', Origin: 'http://studio.local:8080' }, false],
    [{ Origin: 'null' }, false],
    [{ Origin: '' }, false],
    [{ Origin: 'http://studio.local' }, false],
    [{ Origin: 'http://studio.local:8088' }, false],
    [{ Origin: 'http://evil.example/studio.local:8080' }, false],
    [{ Origin: 'http://studio.local:8080.evil.example' }, false],
    [{ Origin: 'http://user@studio.local:8080' }, false],
    [{ Origin: 'file://studio.local:8080' }, false],
    [{ Origin: 'http://studio.local:8080' }, true],
  ])('is refused from elsewhere: %j', (headers: Headers, secure) => {
    expect(() => assertOwnPage(page(headers, secure))).toThrow(foreign)
    expect(() => assertNoForeignPage(page(headers, secure))).toThrow(foreign)
  })

  it('says where it comes from; a login may come from a program, which says nothing', () => {
    expect(() => assertOwnPage(page({}))).toThrow(foreign)
    expect(() => assertNoForeignPage(page({}))).not.toThrow()
  })
})

describe('an unsafe request', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('is a %s', (method) => {
    expect(isUnsafe(page({}, false, method))).toBe(true)
  })

  it('is a WebSocket’s GET, and no other', () => {
    expect(isUnsafe(page({ Upgrade: 'WebSocket' }, false, 'GET'))).toBe(true)
    for (const method of ['GET', 'HEAD', 'OPTIONS']) expect(isUnsafe(page({}, false, method))).toBe(false)
  })
})
