import { describe, expect, it } from 'vitest'
import { readSessionCookie, sessionCookie } from '../../../../src/api/auth/session-cookie.ts'

const cookies = (text: string | undefined) => (name: string) => (name === 'Cookie' ? text : undefined)

describe('the cookie of a session', () => {
  it('is for the API alone, out of the reach of scripts and other sites', () => {
    const text = sessionCookie('a.b.c', 43_200_000, false)
    expect(text).toBe('headend-session=a.b.c; Path=/v1; HttpOnly; SameSite=Strict; Max-Age=43200')
  })

  it('never goes in the clear where it was set over TLS', () => {
    const text = sessionCookie('a.b.c', 1_000, true)
    expect(text).toContain('__Secure-headend-session=a.b.c;')
    expect(text).toMatch(/; Secure$/)
  })

  it('is taken away by one that is over', () => {
    expect(sessionCookie('', 0, false)).toContain('headend-session=; ')
    expect(sessionCookie('', 0, false)).toContain('Max-Age=0')
  })

  it('is found among others, under the name of its scheme', () => {
    const both = 'a=1; headend-session=x.y.z ; __Secure-headend-session=s.t.u;b'
    expect(readSessionCookie(cookies(both), false)).toBe('x.y.z')
    expect(readSessionCookie(cookies(both), true)).toBe('s.t.u')
  })

  it.each([undefined, '', 'headend-session', 'headend-session=', 'xheadend-session=a', '=headend-session', ';;='])(
    'is not there: %j',
    (text) => expect(readSessionCookie(cookies(text), false)).toBeUndefined(),
  )

  it('of the clear is not taken over TLS, where anybody on the way could have planted it', () => {
    expect(readSessionCookie(cookies('headend-session=x.y.z'), true)).toBeUndefined()
  })
})
