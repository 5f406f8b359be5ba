import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type AmfWritable, encodeAmf0 } from '../../src/media/rtmp/amf0-writer.ts'
import { encodeChunks } from '../../src/media/rtmp/chunk-writer.ts'
import { encodeU32 } from '../../src/media/rtmp/control.ts'
import { messageType } from '../../src/media/rtmp/message-type.ts'
import { RtmpPublisher, type RtmpTarget } from './rtmp-publisher.ts'

/** Where to attack; app and stream name are needed by attacks that publish first. */
export type HostileTarget = RtmpTarget & { readonly app?: string; readonly streamName?: string }

/** Whether the server hung up by itself while the attacker waited for it. */
export type HostileOutcome = { readonly closedByServer: boolean }

export type HostileAttack = (target: HostileTarget) => Promise<HostileOutcome>

const HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(2 * 1536)])

/** A small generator of the same bytes for the same seed (xorshift32). */
export function seededBytes(seed: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  let state = seed | 1
  for (let i = 0; i < count; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function outcomeOf(socket: Socket, waitMs = 300): Promise<HostileOutcome> {
  const ended = new Promise<boolean>((resolve) => {
    socket.once('end', () => resolve(true))
    socket.once('close', () => resolve(true))
  })
  socket.resume()
  const closedByServer = await Promise.race([ended, wait(waitMs).then(() => false)])
  socket.destroy()
  return { closedByServer }
}

/** Sends the bytes on a fresh connection, whatever comes back. */
async function throwAt(target: RtmpTarget, bytes: Uint8Array, waitMs?: number): Promise<HostileOutcome> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const outcome = outcomeOf(socket, waitMs)
  socket.write(bytes)
  return await outcome
}

function control(type: number, payload: Uint8Array): Uint8Array {
  return encodeChunks({ chunkStreamId: 2, type, streamId: 0, timestampMs: 0, payload }, 128)
}

function command(payload: Uint8Array, streamId = 0): Uint8Array {
  const message = { chunkStreamId: 3, type: messageType.commandAmf0, streamId, timestampMs: 0, payload }
  return encodeChunks(message, 128)
}

function connectCommand(app = 'live'): Uint8Array {
  return command(encodeAmf0('connect', 1, { app, tcUrl: `rtmp://host/${app}`, flashVer: 'hostile' }))
}

async function afterPublish(target: HostileTarget, attack: (publisher: RtmpPublisher) => void, waitMs?: number) {
  const publisher = await RtmpPublisher.publish(target)
  const outcome = outcomeOf(publisher.socket, waitMs)
  attack(publisher)
  return await outcome
}

function media(type: number, timestampMs: number, payload: Uint8Array, chunkStreamId = 6): Uint8Array {
  return encodeChunks({ chunkStreamId, type, streamId: 1, timestampMs, payload }, 128)
}

/** An empty video message, into an accepted publish. */
export const zeroLengthVideo: HostileAttack = (target) =>
  afterPublish(target, (publisher) => publisher.raw(media(messageType.video, 0, new Uint8Array(0))))

/** Set Chunk Size without its four bytes. */
export const emptySetChunkSize: HostileAttack = (target) =>
  throwAt(target, Buffer.concat([HANDSHAKE, control(messageType.setChunkSize, new Uint8Array(0))]))

export const chunkSizeZero: HostileAttack = (target) =>
  throwAt(target, Buffer.concat([HANDSHAKE, control(messageType.setChunkSize, encodeU32(0))]))

export const chunkSizeAllOnes: HostileAttack = (target) =>
  throwAt(target, Buffer.concat([HANDSHAKE, control(messageType.setChunkSize, encodeU32(0xffffffff))]))

export const connectWithoutTcUrl: HostileAttack = (target) =>
  throwAt(target, Buffer.concat([HANDSHAKE, command(encodeAmf0('connect', 1, { flashVer: 'hostile' }))]))

export const connectWithNullObject: HostileAttack = (target) =>
  throwAt(target, Buffer.concat([HANDSHAKE, command(encodeAmf0('connect', 1, null))]))

/** `publish` with no name at all, then with a number for one. */
export const publishWithoutName: HostileAttack = async (target) => {
  const attempts: AmfWritable[][] = [[null], [null, 7], [null, null]]
  const outcomes: HostileOutcome[] = []
  for (const args of attempts) {
    const parts = [HANDSHAKE, connectCommand(target.app), command(encodeAmf0('createStream', 2, null))]
    outcomes.push(await throwAt(target, Buffer.concat([...parts, command(encodeAmf0('publish', 3, ...args), 1)])))
  }
  return { closedByServer: outcomes.every((outcome) => outcome.closedByServer) }
}

/** A command with an AMF0 marker that doesn't exist, and with reserved ones. */
export const unknownAmfType: HostileAttack = async (target) => {
  const outcomes: HostileOutcome[] = []
  for (const marker of [0x04, 0x0e, 0x12, 0xff]) {
    const payload = Buffer.concat([encodeAmf0('connect', 1), Buffer.from([marker])])
    outcomes.push(await throwAt(target, Buffer.concat([HANDSHAKE, command(payload)])))
  }
  return { closedByServer: outcomes.every((outcome) => outcome.closedByServer) }
}

/** `depth` nested objects in one command: `kind` chooses AMF0 objects, AMF0 arrays or AMF3 arrays. */
export function nestedAmf(depth: number, kind: 'objects' | 'arrays' | 'amf3'): Uint8Array {
  const level = { objects: [3, 0, 1, 0x61], arrays: [10, 0, 0, 0, 1], amf3: [9, 3, 1] }[kind]
  const nest = new Uint8Array(depth * level.length).map((_, i) => level[i % level.length] ?? 0)
  return Buffer.concat([
    encodeAmf0('connect', 1),
    Buffer.from(kind === 'amf3' ? [0x11] : []),
    nest,
    Buffer.from([kind === 'amf3' ? 1 : 5]),
  ])
}

export const deepAmf: HostileAttack = async (target) => {
  const outcomes: HostileOutcome[] = []
  for (const kind of ['objects', 'arrays', 'amf3'] as const) {
    outcomes.push(await throwAt(target, Buffer.concat([HANDSHAKE, command(nestedAmf(10_000, kind))])))
  }
  return { closedByServer: outcomes.every((outcome) => outcome.closedByServer) }
}

/** `count` chunk streams that each announce much and send one chunk of it; into a publish when `published`. */
export async function announceMuch(
  target: HostileTarget,
  count = 300,
  published = false,
  announcedBytes = 0xffffff,
): Promise<HostileOutcome> {
  const chunks: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const header = i < 61 ? [3 + i] : [0, i - 61]
    const message = [0, 0, 0, ...encodeU32(announcedBytes).subarray(1), messageType.video, 1, 0, 0, 0]
    chunks.push(Buffer.from([...header, ...message]), new Uint8Array(128))
  }
  if (!published) return await throwAt(target, Buffer.concat([HANDSHAKE, ...chunks]))
  return await afterPublish(target, (publisher) => publisher.raw(Buffer.concat(chunks)))
}

/** `count` connections that say C0 and half of C1 and then nothing, held for `holdMs`, or until the server has closed `enough`. Gives how many it closed. */
export async function halfHandshakes(
  target: RtmpTarget,
  count = 2000,
  holdMs = 500,
  enough = Number.POSITIVE_INFINITY,
): Promise<number> {
  const half = HANDSHAKE.subarray(0, 800)
  let closed = 0
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: target.host, port: target.port })
    socket.on('error', () => undefined)
    socket.once('close', () => {
      closed += 1
    })
    socket.once('connect', () => socket.write(half))
    socket.resume()
    sockets.push(socket)
    // In batches, as the accept queue of the machine is short.
    if (i % 100 === 99) await wait(10)
  }
  const endMs = performance.now() + holdMs
  while (closed < enough && performance.now() < endMs) await wait(20)
  const closedByServer = closed
  for (const socket of sockets) socket.destroy()
  return closedByServer
}

/** Random bytes instead of the handshake, after it, after `connect`, and after an accepted publish. */
export async function randomBytesAtEveryStage(target: HostileTarget, seed: number): Promise<void> {
  const noise = seededBytes(seed, 20_000)
  await throwAt(target, noise, 50)
  await throwAt(target, Buffer.concat([Buffer.from([3]), noise]), 50)
  await throwAt(target, Buffer.concat([HANDSHAKE, noise]), 50)
  await throwAt(target, Buffer.concat([HANDSHAKE, connectCommand(target.app), noise]), 50)
  await afterPublish(target, (publisher) => publisher.raw(noise), 50)
  // As whole messages of every type, so that what stands behind the chunks is reached too.
  await afterPublish(
    target,
    (publisher) => {
      for (let type = 1; type <= 23; type++) publisher.raw(media(type, 0, noise.subarray(type, type + 40 * type)))
    },
    50,
  )
}

/** The bytes of a whole good publish: handshake, commands, and the given messages. */
export function wholePublish(
  target: HostileTarget,
  messages: readonly { readonly type: number; readonly timestampMs: number; readonly payload: Uint8Array }[],
): Uint8Array {
  return Buffer.concat([
    HANDSHAKE,
    connectCommand(target.app),
    command(encodeAmf0('createStream', 2, null)),
    command(encodeAmf0('publish', 3, null, target.streamName ?? 'key', 'live'), 1),
    ...messages.map(({ type, timestampMs, payload }) => media(type, timestampMs, payload)),
  ])
}

/** A whole good publish, one byte at a time. Resolves when all is sent; the socket is then closed. */
export async function oneByteAtATime(target: HostileTarget, bytes: Uint8Array): Promise<void> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.resume()
  for (const byte of bytes) {
    // Waiting for the write is what keeps the kernel from joining the bytes again.
    await new Promise<void>((resolve) => socket.write(Uint8Array.of(byte), () => resolve()))
    if (socket.destroyed) return
  }
  await wait(50)
  socket.end()
  await once(socket, 'close')
}

/** One video message at an extended timestamp in several chunks, its type 3 chunks repeating the timestamp or not. */
export function extendedTimestampMessage(timestampMs: number, payload: Uint8Array, repeats: boolean): Uint8Array {
  const message = { chunkStreamId: 6, type: messageType.video, streamId: 1, timestampMs, payload }
  return encodeChunks(message, 128, repeats)
}

/** A video message on a chunk stream whose id takes three bytes. */
export function wideChunkStreamMessage(chunkStreamId: number, timestampMs: number, payload: Uint8Array): Uint8Array {
  return media(messageType.video, timestampMs, payload, chunkStreamId)
}

/** An aggregate message of the given tags, at `timestampMs`, whose own times count from `baseMs`. */
export function aggregateMessage(
  timestampMs: number,
  baseMs: number,
  tags: readonly { readonly type: number; readonly offsetMs: number; readonly payload: Uint8Array }[],
): Uint8Array {
  const parts = tags.map(({ type, offsetMs, payload }) => {
    const at = baseMs + offsetMs
    const header = Buffer.alloc(11)
    header[0] = type
    header.writeUIntBE(payload.byteLength, 1, 3)
    header.writeUIntBE(at & 0xffffff, 4, 3)
    header[7] = at >>> 24
    return Buffer.concat([header, payload, encodeU32(11 + payload.byteLength)])
  })
  return media(messageType.aggregate, timestampMs, Buffer.concat(parts))
}

/** An aggregate whose first tag announces more than there is. */
export const brokenAggregate: HostileAttack = (target) =>
  afterPublish(target, (publisher) =>
    publisher.raw(media(messageType.aggregate, 0, Buffer.from([9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]))),
  )

/** A player that sends video into the stream that it asked to play. */
export const playerThatInjects: HostileAttack = (target) =>
  throwAt(
    target,
    Buffer.concat([
      HANDSHAKE,
      connectCommand(target.app),
      command(encodeAmf0('createStream', 2, null)),
      command(encodeAmf0('play', 3, null, target.streamName ?? 'key'), 1),
      media(messageType.video, 0, seededBytes(7, 500)),
    ]),
  )

/** Video on a stream that was created, but on which nothing was published. */
export const mediaWithoutPublish: HostileAttack = (target) =>
  throwAt(
    target,
    Buffer.concat([
      HANDSHAKE,
      connectCommand(target.app),
      command(encodeAmf0('createStream', 2, null)),
      media(messageType.video, 0, seededBytes(7, 500)),
      media(messageType.aggregate, 0, seededBytes(8, 500)),
    ]),
  )

/** Everything above that must end with the server hanging up. */
export const fatalAttacks: Readonly<Record<string, HostileAttack>> = {
  emptySetChunkSize,
  chunkSizeZero,
  chunkSizeAllOnes,
  connectWithoutTcUrl,
  connectWithNullObject,
  publishWithoutName,
  unknownAmfType,
  deepAmf,
  announceMuch: (target) => announceMuch(target),
  announceMuchPublished: (target) => announceMuch(target, 300, true),
  announceLessPublished: (target) => announceMuch(target, 300, true, 1 << 20),
  playerThatInjects,
}

/** Those that a connection survives, at least until its next time-out. */
export const survivableAttacks: Readonly<Record<string, HostileAttack>> = {
  zeroLengthVideo,
  brokenAggregate,
  mediaWithoutPublish,
}
