/** Everything that RTMP ingest bounds. Times in milliseconds, sizes in bytes. */
export type IngestLimits = {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** From accept to the end of the RTMP handshake, TLS included. */
  readonly handshakeTimeoutMs: number
  /** From accept, or from the end of the last publish, to an accepted publish. */
  readonly publishTimeoutMs: number
  /** A publisher that has sent no media for so long is lost. */
  readonly idleTimeoutMs: number
  /** Length of one message once a publish was accepted. */
  readonly maxMessageBytes: number
  /** The same before that; media that comes before the verdict is held up to this size too, then the socket pauses. */
  readonly maxUnauthorisedMessageBytes: number
  readonly maxChunkStreams: number
  readonly maxAmfDepth: number
  /** What a connection may hold: memory of unfinished messages, and likewise bytes that the peer doesn't take from us. */
  readonly maxQueuedBytes: number
  /** RTMP message streams per connection. */
  readonly maxMessageStreams: number
  /** Media messages that can't be read, before the session is closed. */
  readonly maxOffences: number
  /** How long a closed connection may take to read our last words. */
  readonly lingerMs: number
}

/** What holds where the operator says nothing. */
export const defaultIngestLimits: IngestLimits = {
  maxConnections: 1000,
  maxConnectionsPerAddress: 64,
  handshakeTimeoutMs: 10_000,
  publishTimeoutMs: 20_000,
  idleTimeoutMs: 15_000,
  maxMessageBytes: 8 * 2 ** 20,
  maxUnauthorisedMessageBytes: 256 * 1024,
  maxChunkStreams: 64,
  maxAmfDepth: 16,
  maxQueuedBytes: 16 * 2 ** 20,
  maxMessageStreams: 16,
  maxOffences: 50,
  lingerMs: 2_000,
}
