import type { AmfWritable } from '../../src/media/rtmp/amf0-writer.ts'
import type { Command } from '../../src/media/rtmp/command.ts'
import type { PublishCommand } from '../../src/media/rtmp/server-commands.ts'
import { ServerConnection, type ServerConnectionLimits } from '../../src/media/rtmp/server-connection.ts'
import { RtmpClient, type RtmpStatus } from './rtmp-client.ts'

/** Small limits, so that tests reach them. */
export const smallConnectionLimits: ServerConnectionLimits = {
  maxMessageBytes: 1 << 20,
  maxUnauthorisedMessageBytes: 4096,
  maxPartialBytes: 1 << 21,
  maxChunkStreams: 16,
  maxMessageStreams: 3,
  maxAmfDepth: 16,
}

/** A client and a connection back to back, with all that either has heard. */
export class RtmpPair {
  readonly heard: string[] = []
  readonly publishes: PublishCommand[] = []
  readonly media: [number, number, number, string][] = []
  readonly commands: Command[] = []
  readonly statuses: RtmpStatus[] = []
  readonly controls: [number, string][] = []
  readonly client: RtmpClient
  readonly server: ServerConnection

  constructor(digest = false, overrides: Partial<ServerConnectionLimits> = {}) {
    this.server = new ServerConnection(
      { ...smallConnectionLimits, ...overrides },
      {
        publish: (command) => this.publishes.push(command),
        media: (id, type, at, payload) => this.media.push([id, type, at, Buffer.from(payload).toString('hex')]),
        unpublish: (id) => this.heard.push(`unpublish ${id}`),
        refused: () => undefined,
        stray: () => this.heard.push('stray'),
        broken: () => this.heard.push('broken'),
        finish: () => this.heard.push('finish'),
      },
      (count) => new Uint8Array(count),
    )
    this.client = new RtmpClient(
      {
        handshaken: (signed) => this.heard.push(`handshaken ${signed}`),
        command: (command) => this.commands.push(command),
        status: (status) => this.statuses.push(status),
        message: (type, payload) => {
          if (type < 8) this.controls.push([type, Buffer.from(payload).toString('hex')])
        },
      },
      digest,
    )
    this.run()
  }

  /** Carries bytes both ways until both are quiet. */
  run(): this {
    for (;;) {
      const up = this.client.take()
      if (up.byteLength > 0) this.server.push(up)
      const down = this.server.takeOutput()
      if (down) this.client.push(down)
      if (up.byteLength === 0 && !down) return this
    }
  }

  call(name: string, streamId: number, ...args: AmfWritable[]): Command[] {
    const before = this.commands.length
    this.client.call(name, streamId, ...args)
    this.run()
    return this.commands.slice(before)
  }

  connect(fields: Record<string, AmfWritable> = {}): this {
    this.call('connect', 0, { app: 'live', tcUrl: 'rtmp://h/live', flashVer: 'test', ...fields })
    return this
  }

  publish(name = 'key'): this {
    this.connect()
    this.call('createStream', 0, null)
    this.call('publish', 1, null, name, 'live')
    this.server.acceptPublish(1)
    return this.run()
  }
}
