import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { AmfWritable } from '../../src/media/rtmp/amf0-writer.ts'
import type { Command } from '../../src/media/rtmp/command.ts'
import { RtmpClient, type RtmpStatus, statusOf } from './rtmp-client.ts'

export type RtmpTarget = { readonly host: string; readonly port: number }

export type RtmpPublisherOptions = RtmpTarget & {
  readonly app?: string
  readonly streamName?: string
  /** More fields for the object of `connect`, as `fourCcList` or `capsEx`. */
  readonly connectFields?: Readonly<Record<string, AmfWritable>>
  readonly chunkSize?: number
  readonly handshake?: 'plain' | 'digest'
  /** RTMPS, whatever the certificate. */
  readonly secure?: boolean
}

/** What Enhanced RTMP v2 clients say in `connect`. */
export const enhancedConnectFields: Readonly<Record<string, AmfWritable>> = {
  fourCcList: ['hvc1', 'av01', 'Opus'],
  videoFourCcInfoMap: { '*': 2 },
  audioFourCcInfoMap: { '*': 2 },
  capsEx: 15,
}

/** The server said no: what an encoder would print. */
export class RtmpRefused extends Error {
  readonly status: RtmpStatus

  constructor(status: RtmpStatus) {
    super(`${status.code}: ${status.description}`)
    this.name = 'RtmpRefused'
    this.status = status
  }
}

type Waiter = { readonly wants: (command: Command) => boolean; readonly done: (command: Command | undefined) => void }

/** A synthetic encoder over a real socket. */
export class RtmpPublisher {
  /** Every `onStatus` so far. */
  readonly statuses: RtmpStatus[] = []
  readonly commands: Command[] = []
  readonly messages: { readonly type: number; readonly payload: Uint8Array }[] = []
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  readonly socket: Socket
  readonly #client: RtmpClient
  readonly #options: RtmpPublisherOptions
  readonly #waiters = new Set<Waiter>()
  #handshaken: ((signed: boolean) => void) | undefined
  #gone = false

  private constructor(options: RtmpPublisherOptions, socket: Socket) {
    this.#options = options
    this.socket = socket
    this.#client = new RtmpClient(
      {
        handshaken: (signed) => this.#handshaken?.(signed),
        command: (command) => this.#onCommand(command),
        status: (status) => this.statuses.push(status),
        message: (type, payload) => this.messages.push({ type, payload }),
      },
      options.handshake === 'digest',
    )
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      this.#client.push(bytes as Buffer)
      this.#flush()
    })
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#gone = true
        for (const waiter of this.#waiters) waiter.done(undefined)
        resolve()
      })
    })
  }

  /** Opens the socket; nothing is said yet. */
  static async open(options: RtmpPublisherOptions): Promise<RtmpPublisher> {
    const { host, port, secure } = options
    const socket = secure
      ? connectTls({ host, port, rejectUnauthorized: false })
      : connect({ host, port, noDelay: true })
    await once(socket, secure ? 'secureConnect' : 'connect')
    return new RtmpPublisher(options, socket)
  }

  /** Goes all the way to `NetStream.Publish.Start`; an `RtmpRefused` when the server doesn't want it. */
  static async publish(options: RtmpPublisherOptions): Promise<RtmpPublisher> {
    const publisher = await RtmpPublisher.open(options)
    await publisher.handshake()
    await publisher.connect()
    const streamId = await publisher.createStream()
    await publisher.publishStream(streamId, options.streamName ?? 'key')
    return publisher
  }

  /** True when the server signed its half. */
  async handshake(): Promise<boolean> {
    const signed = new Promise<boolean>((resolve) => {
      this.#handshaken = resolve
    })
    this.#flush()
    return await Promise.race([signed, this.closed.then(() => Promise.reject(new Error('closed in the handshake')))])
  }

  /** The answer to `connect`. */
  async connect(): Promise<Command> {
    const { app = 'live', host, port, chunkSize, connectFields } = this.#options
    const tcUrl = `rtmp://${host}:${port}/${app}`
    if (chunkSize !== undefined) this.#client.setChunkSize(chunkSize)
    return await this.call('connect', 0, { app, tcUrl, flashVer: 'FMLE/3.0 (synthetic)', ...connectFields })
  }

  async createStream(): Promise<number> {
    const answer = await this.call('createStream', 0, null)
    return Number(answer.args[1])
  }

  /** Resolves with `NetStream.Publish.Start`. */
  async publishStream(streamId: number, streamName: string): Promise<void> {
    this.#client.call('releaseStream', 0, null, streamName)
    this.#client.call('FCPublish', 0, null, streamName)
    const answer = this.#await((command) => command.name === 'onStatus')
    this.#client.call('publish', streamId, null, streamName, 'live')
    this.#flush()
    const status = statusOf((await answer).args[1], streamId)
    if (status.code !== 'NetStream.Publish.Start') throw new RtmpRefused(status)
  }

  /** Calls and waits for `_result`; an `_error` is an `RtmpRefused`. */
  async call(name: string, streamId: number, ...args: AmfWritable[]): Promise<Command> {
    const id = this.#client.call(name, streamId, ...args)
    const answer = this.#await((c) => (c.name === '_result' || c.name === '_error') && c.transactionId === id)
    this.#flush()
    const command = await answer
    if (command.name === '_error') throw new RtmpRefused(statusOf(command.args[1], streamId))
    return command
  }

  /** Sends one audio (8), video (9) or data (18) message and waits while the socket is full. */
  async send(type: number, timestampMs: number, payload: Uint8Array, streamId = 1): Promise<void> {
    this.#client.send(type === 9 ? 6 : 4, type, streamId, timestampMs, payload)
    if (!this.#flush() && !this.#gone) await Promise.race([once(this.socket, 'drain'), this.closed])
  }

  /** Bytes as they are, past the state machine. */
  raw(bytes: Uint8Array): void {
    if (!this.#gone) this.socket.write(bytes)
  }

  unpublish(streamId = 1): void {
    this.#client.call('FCUnpublish', 0, null, this.#options.streamName ?? 'key')
    this.#client.call('deleteStream', 0, null, streamId)
    this.#flush()
  }

  /** Hangs up and waits until the socket is gone. */
  async close(): Promise<void> {
    this.socket.destroy()
    await this.closed
  }

  #onCommand(command: Command): void {
    this.commands.push(command)
    for (const waiter of this.#waiters) if (waiter.wants(command)) waiter.done(command)
  }

  #await(wants: (command: Command) => boolean): Promise<Command> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        wants,
        done: (command) => {
          this.#waiters.delete(waiter)
          if (command) resolve(command)
          else reject(new Error('the server closed the connection'))
        },
      }
      if (this.#gone) waiter.done(undefined)
      else this.#waiters.add(waiter)
    })
  }

  #flush(): boolean {
    const bytes = this.#client.take()
    return bytes.byteLength === 0 || this.#gone || this.socket.write(bytes)
  }
}
