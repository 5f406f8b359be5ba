import type { ContributionSink } from '../../../src/channel/ports.ts'
import type { Channel, IngestInput } from '../../../src/domain/channel.ts'
import type { PublishRequest, SessionEnd, SessionHandle } from '../../../src/ingest/ports.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import type { LiveChannel } from '../../../src/roles/live-channel.ts'
import { LiveNode, type LiveNodeOptions } from '../../support/live-node.ts'
import { SyntheticEncoder, usual } from '../channel/synthetic-encoder.ts'

/** What an encoder asks, unless told otherwise. */
export function publishRequest(key: string, more: Partial<PublishRequest> = {}): PublishRequest {
  return {
    sessionId: 'session-1',
    app: 'live',
    streamName: key,
    key,
    layer: 'default',
    remoteAddress: '192.0.2.1',
    secure: false,
    encoder: 'synthetic',
    enhanced: true,
    ...more,
  }
}

/** An encoder that was let in, and what it was shown as it was ended. */
export class Guest {
  readonly ends: { readonly description: string; readonly as: SessionEnd }[] = []
  readonly encoder: SyntheticEncoder
  sink: ContributionSink | undefined

  constructor(encoder: SyntheticEncoder) {
    this.encoder = encoder
  }

  readonly handle: { -readonly [K in keyof SessionHandle]: SessionHandle[K] } = {
    id: 'session',
    remoteAddress: '192.0.2.1',
    end: async (description, as = 'replaced') => {
      this.ends.push({ description, as })
      this.leave(as)
    },
  }

  leave(as: SessionEnd = 'unpublished'): void {
    const { sink } = this
    this.sink = undefined
    sink?.end(as)
  }
}

/** A node on virtual time, its encoders synthetic. */
export class LiveBench {
  readonly clock: VirtualClock
  readonly node: LiveNode
  readonly #guests: Guest[] = []

  private constructor(clock: VirtualClock, node: LiveNode) {
    this.clock = clock
    this.node = node
  }

  static async start(options: Partial<LiveNodeOptions> = {}): Promise<LiveBench> {
    const clock = new VirtualClock(1_763_702_400_000)
    return new LiveBench(clock, await LiveNode.start({ clock, ...options }))
  }

  /** A channel that runs, cut into segments of two seconds. */
  async running(given: Record<string, unknown> = {}): Promise<{ channel: Channel; live: LiveChannel }> {
    const channel = await this.node.channel({ output: { segmentDuration: 'PT2S' }, ...given })
    return { channel, live: await this.node.run(channel) }
  }

  async publish(
    live: LiveChannel,
    channel: Channel,
    input: IngestInput = 'primary',
    more: Partial<PublishRequest> = {},
  ): Promise<Guest> {
    const guest = new Guest(new SyntheticEncoder(usual))
    const admission = await live.admit(publishRequest(channel.streamKeys[input], more), input, guest.handle)
    if (!admission.accepted) throw new Error(`${admission.reason}: ${admission.description}`)
    guest.sink = admission.sink
    guest.encoder.configure(admission.sink)
    this.#guests.push(guest)
    return guest
  }

  /** Lets everybody who publishes go on for so long. */
  async play(ms: number): Promise<void> {
    for (let at = 0; at < ms; at += 100) {
      await this.clock.advance(100)
      for (const { sink, encoder } of this.#guests) if (sink) encoder.play(sink, 100)
    }
  }

  stop(): Promise<void> {
    return this.node.stop()
  }
}
