import type { Logger } from '../lib/logger.ts'
import type { Contribution } from '../media/media.ts'
import { type AmfLimits, defaultAmfLimits } from '../media/rtmp/amf.ts'
import { readDataMessage } from '../media/rtmp/command.ts'
import { messageType } from '../media/rtmp/message-type.ts'
import { contributionOf } from './data-contribution.ts'
import type { IngestLimits } from './ingest-limits.ts'
import type {
  MediaDemuxer,
  PublishGate,
  PublishRequest,
  PublishSink,
  PublishVerdict,
  SessionEnd,
  SessionHandle,
} from './ports.ts'

type HeldMessage = { readonly type: number; readonly timestampMs: number; readonly payload: Uint8Array }

/** What a held message costs beyond its bytes, so that many empty ones are bounded too. */
const HELD_OVERHEAD_BYTES = 128

/** One publish on one message stream: held until the verdict, then demuxed into its sink, until it ends once. */
export class Publication {
  readonly request: PublishRequest
  /** To which it publishes, once it was accepted; for log lines. */
  channel: string | undefined
  /** Aborts the authorisation that is under way. */
  readonly #abort = new AbortController()
  readonly #demuxer: MediaDemuxer
  readonly #amfLimits: AmfLimits
  readonly #maxHeldBytes: number
  #sink: PublishSink | undefined
  #held: HeldMessage[] = []
  #heldBytes = 0
  #ended: SessionEnd | undefined

  constructor(
    request: PublishRequest,
    demuxer: MediaDemuxer,
    limits: Pick<IngestLimits, 'maxAmfDepth' | 'maxUnauthorisedMessageBytes'>,
  ) {
    this.request = request
    this.#demuxer = demuxer
    this.#amfLimits = { ...defaultAmfLimits, maxDepth: limits.maxAmfDepth }
    this.#maxHeldBytes = limits.maxUnauthorisedMessageBytes
  }

  get accepted(): boolean {
    return this.#sink !== undefined
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Messages that came before the verdict hold more than they may: the peer is to wait for it. */
  get isFull(): boolean {
    return this.#heldBytes > this.#maxHeldBytes
  }

  /** The gate's verdict, or a refusal where it gives none; never rejects. */
  async ask(gate: PublishGate, handle: SessionHandle, logger: Logger): Promise<PublishVerdict> {
    try {
      return await gate.authorise(this.request, handle, this.#abort.signal)
    } catch (error) {
      if (!this.ended) logger.error({ err: error }, 'publish authorisation failed')
      return { accepted: false, reason: 'unavailable', description: 'The server could not decide.' }
    }
  }

  /** Keeps a message that came before the verdict. */
  hold(type: number, timestampMs: number, payload: Uint8Array): void {
    this.#held.push({ type, timestampMs, payload })
    this.#heldBytes += payload.byteLength + HELD_OVERHEAD_BYTES
  }

  /**
   * The verdict was positive. Gives what was held, to be passed to `take` in this order. A publish that has ended in the
   * meantime ends the sink at once.
   */
  accept(sink: PublishSink): readonly HeldMessage[] {
    if (this.#ended) {
      sink.end(this.#ended)
      return []
    }
    this.#sink = sink
    const held = this.#held
    this.#forget()
    return held
  }

  /**
   * Demuxes one message into the sink; what comes back wants the socket paused until it settles. An `AppError` for a
   * message that can't be used: nothing of it has been pushed.
   */
  take(type: number, timestampMs: number, payload: Uint8Array): Promise<void> | undefined {
    if (!this.#sink) return undefined
    let waiting: Promise<void> | undefined
    for (const contribution of this.#read(type, timestampMs, payload)) {
      const wait = this.#sink?.push(contribution)
      if (wait) waiting = waiting ? Promise.all([waiting, wait]).then(() => undefined) : wait
    }
    return waiting
  }

  /** The first call ends the sink, or what waits for one; the later do nothing. */
  end(reason: SessionEnd): void {
    if (this.#ended) return
    this.#ended = reason
    this.#forget()
    this.#abort.abort()
    this.#sink?.end(reason)
    this.#sink = undefined
  }

  #forget(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  #read(type: number, timestampMs: number, payload: Uint8Array): readonly Contribution[] {
    if (type === messageType.audio || type === messageType.video) return this.#demuxer.read(type, timestampMs, payload)
    const message = readDataMessage(payload, type === messageType.dataAmf3, this.#amfLimits)
    const contribution = contributionOf(message, timestampMs)
    return contribution ? [contribution] : []
  }
}
