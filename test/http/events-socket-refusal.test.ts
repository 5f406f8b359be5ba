import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Client, ends, listen, opened, port, setUp, shut } from './events-socket-harness.ts'

setUp()

describe('the WebSocket /v1/events', () => {
  it('refuses as a plain HTTP answer with a problem', async () => {
    const unknown = await new Client('', 'nobody').refused
    expect(unknown).toMatchObject({
      status: 401,
      headers: { 'content-type': 'application/problem+json', 'www-authenticate': expect.stringContaining('Bearer') },
      problem: { code: 'UNAUTHENTICATED', status: 401 },
    })
    const bad = await new Client('?after=x&types=nonsense&unknown=1&subjectKinds=channel&subjectKinds=asset').refused
    expect(bad).toMatchObject({ status: 400, problem: { code: 'REQUEST_INVALID' } })
    const { problems } = bad.problem as { problems: { pointer: string }[] }
    const pointers = new Set(problems.map(({ pointer }) => pointer))
    expect(pointers).toEqual(new Set(['/after', '/subjectKinds', '/types', '/unknown']))
    const elsewhere = new WebSocket(`ws://127.0.0.1:${port}/v1/elsewhere`)
    elsewhere.on('error', () => undefined)
    const [, response] = await new Promise<unknown[]>((resolve) =>
      elsewhere.once('unexpected-response', (...given) => resolve(given)),
    )
    expect(response).toMatchObject({ statusCode: 404 })
  })

  it.each([
    [
      'another protocol',
      'GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: admin\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    ],
    [
      'no key',
      'GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: admin\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
    ],
    [
      'another method',
      'POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: admin\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
  ])('refuses a handshake with %s', async (_what, text) => {
    const peer: Socket = connect(port, '127.0.0.1')
    peer.write(text)
    let answer = ''
    for await (const chunk of peer) answer += chunk
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(answer).toContain('"code":"REQUEST_INVALID"')
  })

  it('refuses an account more than half of the room there is, with 429', async () => {
    await shut()
    await listen(createServer(), 4)
    const clients = [new Client(), new Client()]
    await Promise.all(clients.map(({ open }) => open))
    expect(await new Client().refused).toMatchObject({ status: 429, headers: { 'retry-after': '2' } })
    clients[0]?.socket.close()
    await ends.count(1)
    await new Client().open
    expect(opened).toBe(3)
  })
})
