import type { Admission } from '../channel/ports.ts'
import type { IngestInput } from '../domain/channel.ts'
import { newEvent } from '../domain/events.ts'
import type { PublishGate, PublishRefusal, PublishRequest, PublishVerdict, SessionHandle } from '../ingest/ports.ts'
import type { Clock } from '../lib/clock.ts'
import type { EventRecorder } from './input-watch.ts'
import type { KeyHolder } from './publish-keys.ts'

/** A running channel, as the gate sees it. */
export type PublishTarget = {
  admit(request: PublishRequest, input: IngestInput, session: SessionHandle): Promise<Admission>
}

/** What the gate asks. */
export type KeyGatePorts = {
  /** Whom a stream key leads to. */
  holder(key: string): KeyHolder | undefined
  /** The channel where it runs on this node. */
  running(channelId: string): PublishTarget | undefined
  readonly events: EventRecorder
  readonly clock: Clock
}

/** The same encoder that is turned away again for the same reason is told of once in so long. */
const TOLD_AGAIN_MS = 60_000
/** More than so many in that time are not told of: somebody is trying addresses or layers. */
const MAX_TOLD = 1_000
const LONGEST_ENCODER = 256

/** Who may publish to what: a stream key leads to a channel's input, the channel's allow list says from where. */
export class KeyGate implements PublishGate {
  readonly #ports: KeyGatePorts
  /** When the rejections that were told of may be told of again, oldest first. */
  readonly #told = new Map<string, number>()

  constructor(ports: KeyGatePorts) {
    this.#ports = ports
  }

  async authorise(request: PublishRequest, session: SessionHandle): Promise<PublishVerdict> {
    const holder = this.#ports.holder(request.key)
    if (!holder) return { accepted: false, reason: 'unknown-key', description: 'The stream key is not known here.' }
    const channel = holder.channel.name
    const verdict = await this.#ask(holder, request, session)
    if (!verdict.accepted) this.#tell(holder, request, verdict.reason, verdict.description)
    return { ...verdict, channel }
  }

  async #ask(
    { channel, input, admits }: KeyHolder,
    request: PublishRequest,
    session: SessionHandle,
  ): Promise<PublishVerdict> {
    if (!admits(request.remoteAddress)) {
      return refusal('address-not-allowed', `Publishing from ${request.remoteAddress} is not allowed.`)
    }
    const running = this.#ports.running(channel.id)
    if (!running) return refusal('not-running', `The channel ${channel.name} is not running: start it first.`)
    return running.admit(request, input, session)
  }

  /** An encoder that tries again every second, all night, is one event a minute. */
  #tell(
    { channel }: KeyHolder,
    { layer, remoteAddress, encoder }: PublishRequest,
    reason: PublishRefusal,
    detail: string,
  ): void {
    const { clock, events } = this.#ports
    const nowMs = clock.monotonicMs()
    for (const [known, againMs] of this.#told) {
      if (againMs > nowMs) break
      this.#told.delete(known)
    }
    const which = [channel.id, reason, remoteAddress, layer].join(' ')
    if (this.#told.has(which) || this.#told.size >= MAX_TOLD) return
    this.#told.set(which, nowMs + TOLD_AGAIN_MS)
    const data = { address: remoteAddress, layer, encoder: encoder.slice(0, LONGEST_ENCODER), reason, detail }
    events.record(newEvent('channel.encoder-rejected', channel, data, clock.now()))
  }
}

function refusal(reason: PublishRefusal, description: string): PublishVerdict {
  return { accepted: false, reason, description }
}
