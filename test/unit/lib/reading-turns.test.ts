import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { ReadingTurns } from '../../../src/lib/reading-turns.ts'
import { Scope } from '../../../src/lib/scope.ts'

const TURN_MS = 40

let scope = new Scope()

afterEach(async () => {
  await scope.stop()
  scope = new Scope()
})

/** A server whose sockets are read into `heard`, and clients that speak to it. */
async function start(turns: ReadingTurns) {
  const heard: string[] = []
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      heard.push(bytes.toString())
      turns.rest(socket)
      socket.write('.')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.add('server', () => new Promise<void>((resolve) => server.close(() => resolve())))
  scope.add('turns', () => turns.stop())
  const { port } = server.address() as AddressInfo
  const client = async (): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    scope.add('client', () => void socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  return { heard, client }
}

/** Resolves when the server has heard it. */
async function say(socket: Socket, text: string): Promise<void> {
  socket.write(text)
  await once(socket, 'data')
}

test('what comes after a reading waits for the turn, and comes in one piece', async () => {
  const clock = new VirtualClock()
  const { heard, client } = await start(new ReadingTurns(clock, TURN_MS))
  const [first, other] = [await client(), await client()]
  await say(first, 'a')
  first.write('b')
  first.write('c')
  await say(other, 'x')
  expect(heard).toEqual(['a', 'x'])
  const answered = once(first, 'data')
  await clock.advance(TURN_MS)
  await answered
  expect(heard).toEqual(['a', 'x', 'bc'])
})

test('all who rest are read at the same turn', async () => {
  const clock = new VirtualClock()
  const { heard, client } = await start(new ReadingTurns(clock, TURN_MS))
  const [first, second] = [await client(), await client()]
  await say(first, 'a')
  await clock.advance(TURN_MS / 2)
  await say(second, 'b')
  first.write('c')
  second.write('d')
  const answered = Promise.all([once(first, 'data'), once(second, 'data')])
  await clock.advance(TURN_MS / 2)
  await answered
  expect(heard.slice(2).sort()).toEqual(['c', 'd'])
})

test('a socket that is closed at its turn is left alone', async () => {
  const clock = new VirtualClock()
  const turns = new ReadingTurns(clock, TURN_MS)
  const closed = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.once('data', () => {
      turns.rest(socket)
      socket.destroy()
    })
    socket.once('close', () => closed.resolve())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.add('server', () => new Promise<void>((resolve) => server.close(() => resolve())))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('a')
  await closed.promise
  await clock.advance(TURN_MS)
  await once(socket, 'close')
  expect(socket.bytesRead).toBe(0)
})

test('once it is stopped, nobody rests', async () => {
  const turns = new ReadingTurns(new VirtualClock(), TURN_MS)
  const { heard, client } = await start(turns)
  const socket = await client()
  await say(socket, 'a')
  const answered = once(socket, 'data')
  socket.write('b')
  turns.stop()
  await answered
  await say(socket, 'c')
  expect(heard).toEqual(['a', 'b', 'c'])
})
