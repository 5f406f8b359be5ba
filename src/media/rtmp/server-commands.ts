import { FormatError } from '../../lib/errors.ts'
import type { Command } from './command.ts'
import { type ConnectRequest, capabilityBit, connectResult, readConnect } from './connect.ts'
import { encodePeerBandwidth, encodeU32, encodeUserControl, peerBandwidthLimit, userControlEvent } from './control.ts'
import { messageType } from './message-type.ts'
import type { ServerOutput } from './server-output.ts'

/** A wish to publish, on one message stream. `name` is as the encoder sent it: it may hold the key, so it is not for logs. */
export type PublishCommand = { readonly streamId: number; readonly name: string; readonly connect: ConnectRequest }

/** What commands lead to, beyond an answer. */
export type CommandEvents = {
  publish(command: PublishCommand): void
  unpublish(streamId: number): void
  /** The peer was told no, in words that a person understands. */
  refused(problem: string): void
  /** A stream began or ceased to publish, or to wait for it. */
  changed(): void
  /** Nothing more will be said. */
  finish(): void
}

type MessageStream = { state: 'idle' | 'pending' | 'publishing'; name: string }

/** Window that we ask the peer to acknowledge by, and by which we do until it names its own. */
export const WINDOW_BYTES = 2_500_000
const OUT_CHUNK_BYTES = 65_536

/** Commands that need nothing but a `_result`: encoders send them on their way, and some wait for it. */
const COURTESIES: ReadonlySet<string> = new Set(['releaseStream', 'FCPublish', '_checkbw', 'setPeerInfo'])

/** NetConnection and NetStream commands of a publisher (Adobe RTMP 1.0 §7.2), and the streams that they make. */
export class ServerCommands {
  readonly #maxStreams: number
  readonly #output: ServerOutput
  readonly #events: CommandEvents
  readonly #streams = new Map<number, MessageStream>()
  #connect: ConnectRequest | undefined
  #fmleStyle = false

  constructor(maxStreams: number, output: ServerOutput, events: CommandEvents) {
    this.#maxStreams = maxStreams
    this.#output = output
    this.#events = events
  }

  get connected(): boolean {
    return this.#connect !== undefined
  }

  /** `idle` also for a stream that was never created. */
  stateOf(streamId: number): MessageStream['state'] {
    return this.#streams.get(streamId)?.state ?? 'idle'
  }

  /** Whether any stream is in the state. */
  some(state: MessageStream['state']): boolean {
    for (const stream of this.#streams.values()) if (stream.state === state) return true
    return false
  }

  /** Answers one command. A `FormatError` for one out of order. */
  run(streamId: number, command: Command): void {
    const { name, transactionId, args } = command
    if (name === 'connect') this.#onConnect(command)
    else if (name === '_result' || name === '_error' || name === 'onStatus') return
    else if (!this.#connect) throw new FormatError('command', 0, 'a command before connect')
    else if (name === 'createStream') this.#createStream(transactionId)
    else if (name === 'publish') this.#publish(this.#connect, streamId, args[1])
    else if (name === 'deleteStream') this.#deleteStream(args[1])
    else if (name === 'closeStream') this.#unpublish(streamId)
    else if (name === 'FCUnpublish') this.#fcUnpublish(transactionId, args[1])
    else if (name === 'getStreamLength') this.#output.command(0, '_result', transactionId, null, 0)
    else if (name === 'play' || name === 'play2') this.#refusePlay(streamId)
    else if (COURTESIES.has(name)) this.#courtesy(name, transactionId)
    else if (transactionId !== 0) this.#fail(transactionId, 'NetConnection.Call.Failed', 'Method not found.')
  }

  /** Lets a pending stream publish: only now does the encoder see `NetStream.Publish.Start`. */
  accept(streamId: number): void {
    const stream = this.#streams.get(streamId)
    if (stream?.state !== 'pending') return
    stream.state = 'publishing'
    this.#events.changed()
    const code = 'NetStream.Publish.Start'
    this.#output.control(messageType.userControl, encodeUserControl(userControlEvent.streamBegin, encodeU32(streamId)))
    // Flash Media Live Encoder and its kin wait for this one, and for it alone.
    if (this.#fmleStyle) this.#output.command(streamId, 'onFCPublish', 0, null, { code, description: 'Publishing.' })
    this.#output.status(streamId, 'status', code, 'Publishing.')
  }

  /** Ends a stream's publishing, or its wish, with an error; and the connection, if nothing else is published on it. */
  end(streamId: number, code: string, description: string): void {
    const stream = this.#streams.get(streamId)
    if (!stream || stream.state === 'idle') return
    stream.state = 'idle'
    this.#output.status(streamId, 'error', code, description)
    this.#finishUnlessBusy()
  }

  /** Says that the server goes away; a client that can is asked to come back (Enhanced RTMP v2 "Reconnect Request"). */
  farewell(description: string): void {
    if (!this.#connect) return
    for (const [streamId, stream] of this.#streams) {
      if (stream.state !== 'publishing') continue
      this.#output.status(streamId, 'status', 'NetStream.Unpublish.Success', description)
    }
    if (this.#connect.capsEx & capabilityBit.reconnect) {
      this.#output.status(0, 'status', 'NetConnection.Connect.ReconnectRequest', description)
    }
    this.#output.status(0, 'error', 'NetConnection.Connect.AppShutdown', description)
  }

  #finishUnlessBusy(): void {
    this.#events.changed()
    if (!this.some('pending') && !this.some('publishing')) this.#events.finish()
  }

  #fail(transactionId: number, code: string, description: string): void {
    this.#output.command(0, '_error', transactionId, null, { level: 'error', code, description })
  }

  #courtesy(name: string, transactionId: number): void {
    if (name === 'FCPublish') this.#fmleStyle = true
    this.#output.command(0, '_result', transactionId, null, undefined)
  }

  #onConnect({ transactionId, args }: Command): void {
    if (this.#connect) throw new FormatError('command', 0, 'a second connect')
    const request = readConnect(args[0])
    const output = this.#output
    if (!request) {
      const description = 'No application: the URL is rtmp://host/live with a stream key.'
      this.#fail(transactionId, 'NetConnection.Connect.Rejected', description)
      this.#events.refused(`connect: ${description}`)
      this.#events.finish()
      return
    }
    this.#connect = request
    output.control(messageType.windowAcknowledgementSize, encodeU32(WINDOW_BYTES))
    output.control(messageType.setPeerBandwidth, encodePeerBandwidth(WINDOW_BYTES, peerBandwidthLimit.dynamic))
    // A large one, because ffmpeg takes the server's chunk size for its own.
    output.setChunkSize(OUT_CHUNK_BYTES)
    output.command(0, '_result', transactionId, ...connectResult(request))
  }

  #createStream(transactionId: number): void {
    let streamId = 1
    while (this.#streams.has(streamId)) streamId += 1
    if (streamId > this.#maxStreams) {
      const description = `At most ${this.#maxStreams} streams on one connection.`
      this.#fail(transactionId, 'NetConnection.Call.Failed', description)
      return
    }
    this.#streams.set(streamId, { state: 'idle', name: '' })
    this.#output.command(0, '_result', transactionId, null, streamId)
  }

  #publish(connect: ConnectRequest, streamId: number, name: unknown): void {
    const stream = this.#streams.get(streamId)
    if (!stream) this.#refusePublish(streamId, 'Publish on a stream that was not created.')
    else if (stream.state !== 'idle') this.#refusePublish(streamId, 'This stream publishes already.')
    else if (typeof name !== 'string') this.#refusePublish(streamId, 'Publish without a stream name.')
    else {
      stream.state = 'pending'
      stream.name = name
      this.#events.publish({ streamId, name, connect })
    }
  }

  #refusePublish(streamId: number, description: string): void {
    this.#output.status(streamId, 'error', 'NetStream.Publish.BadName', description)
    this.#events.refused(description)
    this.#finishUnlessBusy()
  }

  #deleteStream(streamId: unknown): void {
    if (typeof streamId !== 'number') return
    this.#unpublish(streamId)
    this.#streams.delete(streamId)
  }

  #unpublish(streamId: number): void {
    const stream = this.#streams.get(streamId)
    if (!stream || stream.state === 'idle') return
    stream.state = 'idle'
    this.#events.changed()
    this.#output.status(streamId, 'status', 'NetStream.Unpublish.Success', 'Unpublished.')
    this.#events.unpublish(streamId)
  }

  #fcUnpublish(transactionId: number, name: unknown): void {
    this.#output.command(0, '_result', transactionId, null, undefined)
    const status = { code: 'NetStream.Unpublish.Success', description: 'Unpublished.' }
    this.#output.command(0, 'onFCUnpublish', 0, null, status)
    for (const [streamId, stream] of this.#streams) if (stream.name === name) this.#unpublish(streamId)
  }

  #refusePlay(streamId: number): void {
    const description = 'This server takes streams by RTMP; it plays them by HLS and DASH.'
    this.#output.status(streamId, 'error', 'NetStream.Play.Failed', description)
    this.#events.refused(`play: ${description}`)
    this.#finishUnlessBusy()
  }
}
