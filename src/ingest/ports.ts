import type { Contribution } from '../media/media.ts'

/** An encoder asks to publish. `key` is a secret: it is not for logs (see `maskKey`). */
export type PublishRequest = {
  /** Unique per publish, also where one connection publishes several times. */
  readonly sessionId: string
  /** First segment of the URL's path. */
  readonly app: string
  /** The stream's name as the encoder sent it; may hold the key. */
  readonly streamName: string
  readonly key: string
  readonly layer: string
  readonly remoteAddress: string
  /** Came over TLS. */
  readonly secure: boolean
  /** What the encoder calls itself (`flashVer`); not to be trusted. */
  readonly encoder: string
  /** Speaks Enhanced RTMP. */
  readonly enhanced: boolean
}

/** Why an encoder may not publish. */
export type PublishRefusal =
  | 'unknown-key'
  | 'not-running'
  | 'address-not-allowed'
  | 'busy'
  | 'invalid-name'
  | 'unavailable'

/** `description` is shown to whoever runs the encoder; `channel`, where one was found, stands in the log. */
export type PublishVerdict =
  | { readonly accepted: true; readonly sink: PublishSink; readonly channel?: string }
  | {
      readonly accepted: false
      readonly reason: PublishRefusal
      readonly description: string
      readonly channel?: string
    }

/** Decides who may publish. `signal` is aborted when the encoder has gone or the verdict takes too long. */
export type PublishGate = {
  authorise(request: PublishRequest, session: SessionHandle, signal: AbortSignal): Promise<PublishVerdict>
}

/** One publish, from outside. */
export type SessionHandle = {
  readonly id: string
  readonly remoteAddress: string
  /** Ends it with a status that the encoder sees. Resolves when its sink has been ended, as `replaced` unless told otherwise. */
  end(description: string, as?: SessionEnd): Promise<void>
}

/** Where the media of one accepted publish goes. */
export type PublishSink = {
  /** Takes one contribution. A promise asks the session to read no further from its socket until it settles (it never rejects). */
  push(contribution: Contribution): Promise<void> | undefined
  /** Called exactly once, when the publisher has gone for whatever reason. */
  end(reason: SessionEnd): void
}

/** How a publish ended. */
export type SessionEnd = 'unpublished' | 'disconnected' | 'idle' | 'replaced' | 'protocol-error' | 'stopped' | 'limit'

/** What a peer did that no well-behaved encoder does. */
export type OffenceKind =
  | 'handshake'
  | 'chunk'
  | 'control'
  | 'command'
  | 'message-size'
  | 'chunk-streams'
  | 'partial-bytes'
  | 'unsent-bytes'
  | 'handshake-timeout'
  | 'publish-timeout'
  | 'stray-media'
  | 'media'
  | 'data'
  | 'aggregate'
  | 'too-many-offences'

/** Which limit closed a connection before a byte was read from it. */
export type ConnectionLimit = 'connections' | 'connections-per-address'

/** Counts, for metrics. None of these may throw. */
export type IngestObserver = {
  connectionOpened(): void
  connectionClosed(): void
  connectionRefused(limit: ConnectionLimit): void
  publishRefused(reason: PublishRefusal): void
  sessionStarted(): void
  sessionEnded(reason: SessionEnd): void
  /** Bytes read from a socket. */
  bytes(count: number): void
  offence(kind: OffenceKind): void
}

/** Turns the payload of an audio (8) or video (9) message into contributions; throws an `AppError` on one that can't be used. */
export type MediaDemuxer = {
  read(messageType: 8 | 9, timestampMs: number, payload: Uint8Array): Contribution[]
}
