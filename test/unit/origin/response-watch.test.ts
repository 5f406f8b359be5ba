import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { type ResponseWatch, watchResponse } from '../../../src/origin/response-watch.ts'

const started: { close(): void }[] = []
afterEach(() => {
  for (const server of started.splice(0)) server.close()
})

it('never sends a response that waited behind another once its time is over: its bytes are somebody else’s by then', async () => {
  const clock = new VirtualClock()
  const leased = Buffer.alloc(300_000, 'b')
  const given = Promise.withResolvers<void>()
  const isBehind = Promise.withResolvers<ResponseWatch>()
  const server = createServer((request, response) => {
    const watch = watchResponse(response, clock, () => undefined)
    const isFirst = request.url === '/first'
    response.end(isFirst ? Buffer.alloc(32 * 2 ** 20, 'a') : leased)
    watch.sending(200, 1, isFirst ? 60_000 : 1_000)
    if (isFirst) return
    watch.signal.addEventListener('abort', () => {
      leased.fill('X')
      given.resolve()
    })
    isBehind.resolve(watch)
  })
  started.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.pause()
  socket.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await isBehind.promise
  await clock.advance(1_000)
  await given.promise
  let others = 0
  socket.on('data', (bytes: Buffer) => {
    others += bytes.includes('XXXX') ? 1 : 0
  })
  socket.resume()
  await once(socket, 'close')
  expect(others).toBe(0)
})

it('runs what is to be done at the end at once where the end has come', async () => {
  const ran: string[] = []
  const server = createServer((_request, response) => {
    const watch = watchResponse(response, new VirtualClock(), () => ran.push('done'))
    watch.onClose(() => ran.push('before'))
    response.end()
    response.once('close', () => watch.onClose(() => ran.push('after')))
  })
  started.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).text()
  await expect.poll(() => ran).toEqual(['before', 'done', 'after'])
})
