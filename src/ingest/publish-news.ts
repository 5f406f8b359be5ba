import type { Logger } from '../lib/logger.ts'
import type { IngestObserver, PublishRefusal, PublishRequest, SessionEnd } from './ports.ts'
import type { Publication } from './publication.ts'
import { publishLogFields, type SessionPeer } from './publish-request.ts'

/** What the log and the observer are told of one connection's publishes. */
export class PublishNews {
  readonly #peer: SessionPeer
  readonly #observer: Pick<IngestObserver, 'publishRefused' | 'sessionStarted' | 'sessionEnded'>
  readonly #logger: Logger

  constructor(
    peer: SessionPeer,
    observer: Pick<IngestObserver, 'publishRefused' | 'sessionStarted' | 'sessionEnded'>,
    logger: Logger,
  ) {
    this.#peer = peer
    this.#observer = observer
    this.#logger = logger
  }

  started({ channel, request }: Publication): void {
    this.#logger.info({ channel, ...this.#publishField(request), ...publishLogFields(request) }, 'publish started')
    this.#observer.sessionStarted()
  }

  /** Of one that had started. */
  ended({ channel, request }: Publication, reason: SessionEnd): void {
    this.#observer.sessionEnded(reason)
    // Leaving in order and being told to leave are news; being lost is trouble.
    const isOrderly = reason === 'unpublished' || reason === 'stopped' || reason === 'replaced'
    const fields = { channel, ...this.#publishField(request), layer: request.layer, reason }
    if (isOrderly) this.#logger.info(fields, 'publish ended')
    else this.#logger.warn(fields, 'publish ended')
  }

  /** `request`: absent where it named no stream. */
  refused(
    request: PublishRequest | undefined,
    { reason, description, channel }: { reason: PublishRefusal; description: string; channel: string | undefined },
  ): void {
    this.#observer.publishRefused(reason)
    const fields = request && { ...this.#publishField(request), ...publishLogFields(request) }
    this.#logger.warn({ channel, ...fields, reason, description }, 'publish refused')
  }

  /** A second publish on one connection has an id of its own beside the session's. */
  #publishField({ sessionId }: PublishRequest): Record<string, unknown> {
    return sessionId === this.#peer.id ? {} : { publish: sessionId }
  }
}
