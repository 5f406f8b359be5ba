import type { BufferPool } from '../../lib/buffer-pool.ts'
import { FormatError } from '../../lib/errors.ts'
import { unpackAggregate } from './aggregate.ts'
import { type AmfLimits, defaultAmfLimits } from './amf.ts'
import { ChunkReader, type MessageHandler } from './chunk-reader.ts'
import { readCommand } from './command.ts'
import {
  encodeU32,
  encodeUserControl,
  peerBandwidthLimit,
  readChunkSize,
  readControlU32,
  readPeerBandwidth,
  readUserControl,
  userControlEvent,
} from './control.ts'
import { type RandomSource, ServerHandshake } from './handshake.ts'
import { messageType } from './message-type.ts'
import { type PublishCommand, ServerCommands, WINDOW_BYTES } from './server-commands.ts'
import { ServerOutput } from './server-output.ts'

/** What one connection may use. */
export type ServerConnectionLimits = {
  /** Length of one message while something is published. */
  readonly maxMessageBytes: number
  /** The same, as long as nothing is; unfinished messages may then hold twice as much in all. */
  readonly maxUnauthorisedMessageBytes: number
  /** Memory of all unfinished messages together. */
  readonly maxPartialBytes: number
  readonly maxChunkStreams: number
  readonly maxMessageStreams: number
  readonly maxAmfDepth: number
}

/** What a connection tells its owner, while it eats bytes. */
export type ServerConnectionEvents = {
  /** To be answered, now or later, with `acceptPublish` or `refusePublish`. */
  publish(command: PublishCommand): void
  /** A media or data message (types 8, 9, 15, 18) of a stream whose publishing was asked for. `payload` is its own memory. */
  media(streamId: number, type: number, timestampMs: number, payload: Uint8Array): void
  /** The encoder ended its publishing, or took back its wish. */
  unpublish(streamId: number): void
  /** A command was refused, which the peer has been told: a connect or publish without a name, or a wish to play. */
  refused(problem: string): void
  /** Media on a stream that nobody asked to publish on: dropped. */
  stray(): void
  /** An aggregate that can't be unpacked to its end: the rest of it was dropped. */
  broken(error: FormatError): void
  /** The connection has said its last word: send the output, then close. */
  finish(): void
}

/**
 * The server's end of an RTMP connection, without a socket and without a clock: it eats bytes, calls its events, and keeps
 * what it has to say until `takeOutput`. It serves publishers only.
 */
export class ServerConnection {
  readonly #limits: ServerConnectionLimits
  readonly #amfLimits: AmfLimits
  readonly #events: ServerConnectionEvents
  readonly #handshake: ServerHandshake
  readonly #reader: ChunkReader
  readonly #output = new ServerOutput()
  readonly #commands: ServerCommands
  readonly #passOn: MessageHandler = (type, timestampMs, streamId, payload) =>
    this.#media(type, timestampMs, streamId, payload)
  #finished = false
  #received = 0
  #acknowledged = 0
  #peerWindowBytes = WINDOW_BYTES
  #ownWindowBytes = WINDOW_BYTES

  /** `pool`: where the memory of messages is taken from. */
  constructor(limits: ServerConnectionLimits, events: ServerConnectionEvents, random: RandomSource, pool?: BufferPool) {
    this.#limits = limits
    this.#amfLimits = { ...defaultAmfLimits, maxDepth: limits.maxAmfDepth }
    this.#events = events
    this.#handshake = new ServerHandshake(random)
    this.#commands = new ServerCommands(limits.maxMessageStreams, this.#output, {
      publish: (command) => events.publish(command),
      unpublish: (streamId) => events.unpublish(streamId),
      refused: (problem) => events.refused(problem),
      changed: () => this.#adjustLimits(),
      finish: () => this.#finish(),
    })
    this.#reader = new ChunkReader(
      { maxChunkStreams: limits.maxChunkStreams, maxMessageBytes: 0, maxPartialBytes: 0 },
      (type, timestampMs, streamId, payload) => this.#message(type, timestampMs, streamId, payload),
      pool,
    )
    this.#adjustLimits()
  }

  get handshakeDone(): boolean {
    return this.#handshake.done
  }

  /** Memory that unfinished messages hold, in bytes. */
  get partialBytes(): number {
    return this.#reader.partialBytes
  }

  /**
   * Eats what came from the peer. Throws a `FormatError` or a `LIMIT_EXCEEDED` (its name in `details.limit`) on what no
   * RTMP client may send; after that the connection is dead.
   */
  push(bytes: Uint8Array): void {
    if (this.#finished) return
    try {
      let rest = bytes
      if (!this.#handshake.done) {
        const { used, answer } = this.#handshake.push(bytes)
        if (answer) this.#output.raw(answer)
        rest = bytes.subarray(used)
      }
      if (rest.byteLength === 0) return
      this.#received += rest.byteLength
      this.#reader.push(rest)
      this.#acknowledge()
    } catch (error) {
      this.stop()
      throw error
    }
  }

  /** What is to be sent now, in one piece; `undefined` when there is nothing. */
  takeOutput(): Uint8Array | undefined {
    return this.#output.take()
  }

  /** Lets a pending stream publish: only now does the encoder see `NetStream.Publish.Start`. */
  acceptPublish(streamId: number): void {
    if (!this.#finished) this.#commands.accept(streamId)
  }

  /** Refuses a pending stream with a status; the connection ends if nothing else is published on it. */
  refusePublish(streamId: number, code: string, description: string): void {
    if (!this.#finished) this.#commands.end(streamId, code, description)
  }

  /** Ends a stream that publishes with an error that encoders print; the connection ends if it was the last. */
  endPublish(streamId: number, description: string): void {
    if (!this.#finished) this.#commands.end(streamId, 'NetStream.Failed', description)
  }

  /** Tells the encoder that the server goes away; one that can is asked to come back. */
  shutdown(description: string): void {
    if (this.#finished) return
    this.#commands.farewell(description)
    this.#finish()
  }

  /** Nothing further is eaten or told. */
  stop(): void {
    this.#finished = true
    this.#reader.stop()
  }

  #finish(): void {
    this.stop()
    this.#events.finish()
  }

  /** A peer that publishes may use more memory than one that might be anybody. */
  #adjustLimits(): void {
    const { maxMessageBytes, maxPartialBytes, maxUnauthorisedMessageBytes } = this.#limits
    const unauthorised = !this.#commands.some('publishing')
    this.#reader.limits.maxMessageBytes = unauthorised ? maxUnauthorisedMessageBytes : maxMessageBytes
    this.#reader.limits.maxPartialBytes = unauthorised
      ? Math.min(maxPartialBytes, 2 * maxUnauthorisedMessageBytes)
      : maxPartialBytes
  }

  /** Adobe RTMP 1.0 §5.4.3: the peer wants to hear how far we are, once per window at the latest. */
  #acknowledge(): void {
    if (this.#finished || this.#peerWindowBytes === 0) return
    if (this.#received - this.#acknowledged < this.#peerWindowBytes) return
    this.#acknowledged = this.#received
    this.#output.control(messageType.acknowledgement, encodeU32(this.#received % 2 ** 32))
  }

  #message(type: number, timestampMs: number, streamId: number, payload: Uint8Array): void {
    switch (type) {
      case messageType.audio:
      case messageType.video:
      case messageType.dataAmf0:
      case messageType.dataAmf3:
        this.#media(type, timestampMs, streamId, payload)
        break
      case messageType.aggregate:
        this.#aggregate(timestampMs, streamId, payload)
        break
      case messageType.commandAmf0:
      case messageType.commandAmf3:
        this.#commands.run(streamId, readCommand(payload, type === messageType.commandAmf3, this.#amfLimits))
        break
      default:
        this.#control(type, payload)
    }
  }

  #media(type: number, timestampMs: number, streamId: number, payload: Uint8Array): void {
    const { audio, video, dataAmf0, dataAmf3 } = messageType
    if (type !== audio && type !== video && type !== dataAmf0 && type !== dataAmf3) return
    if (this.#commands.stateOf(streamId) === 'idle') this.#events.stray()
    else this.#events.media(streamId, type, timestampMs, payload)
  }

  #aggregate(timestampMs: number, streamId: number, payload: Uint8Array): void {
    if (this.#commands.stateOf(streamId) !== 'publishing') {
      this.#events.stray()
      return
    }
    try {
      unpackAggregate(payload, timestampMs, streamId, this.#passOn, () => !this.#finished)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      this.#events.broken(error)
    }
  }

  #control(type: number, payload: Uint8Array): void {
    switch (type) {
      case messageType.setChunkSize:
        this.#reader.setChunkSize(readChunkSize(payload))
        break
      case messageType.abort:
        this.#reader.abort(readControlU32(payload, 'abort'))
        break
      case messageType.acknowledgement:
        readControlU32(payload, 'acknowledgement')
        break
      case messageType.windowAcknowledgementSize:
        this.#peerWindowBytes = readControlU32(payload, 'window-acknowledgement-size')
        break
      case messageType.setPeerBandwidth:
        this.#peerBandwidth(payload)
        break
      case messageType.userControl:
        this.#userControl(payload)
        break
      default:
      // Shared objects, and what later versions may bring: nothing here for an ingest.
    }
  }

  #userControl(payload: Uint8Array): void {
    const { event, data } = readUserControl(payload)
    if (event !== userControlEvent.pingRequest) return
    const answer = encodeUserControl(userControlEvent.pingResponse, data.subarray(0, 4))
    this.#output.control(messageType.userControl, answer)
  }

  /** §5.4.5: who is told a new bandwidth answers with the window it will use. */
  #peerBandwidth(payload: Uint8Array): void {
    const { windowBytes, limit } = readPeerBandwidth(payload)
    const agreed = limit === peerBandwidthLimit.soft ? Math.min(windowBytes, this.#ownWindowBytes) : windowBytes
    if (agreed === this.#ownWindowBytes) return
    this.#ownWindowBytes = agreed
    this.#output.control(messageType.windowAcknowledgementSize, encodeU32(agreed))
  }
}
