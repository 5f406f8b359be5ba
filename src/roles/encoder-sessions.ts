import type { ContributionSink, Publisher } from '../channel/ports.ts'
import type { IngestInput } from '../domain/channel.ts'
import type { PublishRequest, SessionEnd, SessionHandle } from '../ingest/ports.ts'
import type { DisconnectReason, InputSession, InputWatch } from './input-watch.ts'

/** An encoder on its way in, or in. */
export type EncoderSession = {
  readonly about: InputSession
  /** What it was let in with. */
  readonly key: string
  readonly publisher: Publisher
  readonly handle: SessionHandle
  /** Why it is being ended by us. */
  endedFor: DisconnectReason | undefined
}

/** What whoever runs the encoder is shown, and how the session counts as ended. */
const ENDS: { readonly [Reason in DisconnectReason]?: { readonly text: string; readonly as: SessionEnd } } = {
  replaced: { text: 'Another encoder has taken over this input.', as: 'replaced' },
  stopped: { text: 'The channel was stopped.', as: 'stopped' },
  reset: { text: 'The channel was reset: connect again.', as: 'stopped' },
  'key-rotated': { text: 'The stream key was changed: ask for the new one.', as: 'stopped' },
  'address-not-allowed': { text: 'Publishing from this address is no longer allowed.', as: 'stopped' },
}

/** Who is publishing to a channel: by which input, with which key, and why each of them leaves. */
export class EncoderSessions {
  readonly #watch: InputWatch
  readonly #sessions = new Set<EncoderSession>()

  constructor(watch: InputWatch) {
    this.#watch = watch
  }

  /** Those that were let in, as they are now. */
  get all(): readonly EncoderSession[] {
    return [...this.#sessions]
  }

  prepare(request: PublishRequest, input: IngestInput, handle: SessionHandle): EncoderSession {
    const { sessionId, layer, remoteAddress, key } = request
    const session: EncoderSession = {
      about: { sessionId, input, layer, address: remoteAddress },
      key,
      handle,
      endedFor: undefined,
      // The channel ends its publishers for being replaced, stopped or reset.
      publisher: { id: sessionId, layer, input, end: (reason) => this.end(session, reason as DisconnectReason) },
    }
    return session
  }

  /** It was let in; what it sends is counted on its way to `sink`. */
  begin(
    session: EncoderSession,
    { encoder, secure, enhanced }: PublishRequest,
    sink: ContributionSink,
  ): ContributionSink {
    this.#sessions.add(session)
    const count = this.#watch.connected(session.about, { encoder, secure, enhanced })
    return {
      push: (contribution) => {
        count(contribution)
        return sink.push(contribution)
      },
      end: (reason) => {
        if (!this.#sessions.delete(session)) return
        this.#watch.disconnected(session.about, session.endedFor ?? (reason as DisconnectReason))
        sink.end(session.endedFor ?? reason)
      },
    }
  }

  /** Ends it with a status that the encoder shows. */
  async end(session: EncoderSession, reason: DisconnectReason): Promise<void> {
    session.endedFor ??= reason
    const { text, as } = ENDS[reason] ?? { text: reason, as: 'stopped' }
    await session.handle.end(text, as)
  }
}
