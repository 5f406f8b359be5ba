import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { explain, problemOfStatus, tellCorsFromNetwork } from '../../../player/src/errors.ts'

beforeEach(() => {
  vi.stubGlobal('location', new URL('https://watch.example/player/'))
})

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('a status', () => {
  it.each([
    [410, 'gone'],
    [401, 'forbidden'],
    [403, 'forbidden'],
    [404, 'not-started'],
    [412, 'not-started'],
    [503, 'not-started'],
    [400, 'manifest'],
    [500, 'server'],
    [418, 'network'],
  ] as const)('%i is %s', (status, kind) => {
    expect(problemOfStatus(status, 'x')).toEqual({ kind, status, technical: 'x' })
    expect(explain(kind).title).not.toBe('')
  })

  it('0 is a request that nobody answered', () => {
    expect(problemOfStatus(0, 'x')).toEqual({ kind: 'network', technical: 'x' })
  })
})

describe('a request that failed without a status', () => {
  const problem = { kind: 'network', technical: 'x' } as const

  it('was refused by the browser if the server can be reached all the same', async () => {
    vi.stubGlobal('fetch', async () => new Response())
    expect(await tellCorsFromNetwork(problem, 'https://other.example/a.mpd')).toEqual({ ...problem, kind: 'cors' })
  })

  it('is the network otherwise, and always for this very server', async () => {
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('no network')
    })
    expect(await tellCorsFromNetwork(problem, 'https://other.example/a.mpd')).toEqual(problem)
    vi.stubGlobal('fetch', async () => new Response())
    expect(await tellCorsFromNetwork(problem, '/a.mpd')).toEqual(problem)
    const withStatus = { ...problem, status: 418 }
    expect(await tellCorsFromNetwork(withStatus, 'https://other.example/a.mpd')).toEqual(withStatus)
  })
})
