import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebhookTargets } from '../../src/events/webhook-target.ts'
import { GuardedFetch } from '../../src/roles/guarded-fetch.ts'

let server: Server
let url: string
const fetch = new GuardedFetch(new WebhookTargets({ allowPrivate: true }))

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { Location: '/small' }).end()
    else if (request.url === '/silent') request.resume()
    else response.end('x'.repeat(request.url === '/large' ? 1_001 : 1_000))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

it('gives a document that is small enough, follows no redirect, and ends when it is told to', async () => {
  const abort = new AbortController()
  const limits = { maxBytes: 1_000, signal: abort.signal }
  expect(await fetch.text(`${url}/small`, limits)).toBe('x'.repeat(1_000))
  await expect(fetch.text(`${url}/large`, limits)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  await expect(fetch.text(`${url}/moved`, limits)).rejects.toThrow('it answers 302')
  const silent = fetch.text(`${url}/silent`, limits)
  const ended = expect(silent).rejects.toThrow('enough')
  abort.abort(new Error('enough'))
  await ended
})
