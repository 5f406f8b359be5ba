import type { PublishGate } from '../ingest/ports.ts'
import { RtmpListener } from '../ingest/rtmp-listener.ts'
import type { Group } from '../lib/scope.ts'
import { FlvDemuxer } from '../media/flv/demuxer.ts'
import type { House } from './house.ts'
import { ingestObserver } from './ingest-metrics.ts'

/** Little beside any latency of segments or parts, and half the processor time of reading each packet as it comes. */
const TURN_MS = 50

/** Opens the listener for encoders, over TLS or not. @throws AppError `ADDRESS_IN_USE` */
export async function openRtmpDoor(
  house: House,
  gate: PublishGate,
  doors: Group,
  isSecure: boolean,
): Promise<RtmpListener> {
  const { clock, config, metrics, tls, pool } = house
  const logger = house.logger.child({ protocol: isSecure ? 'rtmps' : 'rtmp' })
  const { ingest } = config
  const listener = new RtmpListener({
    ...(isSecure ? config.listen.rtmps : config.listen.rtmp),
    ...(isSecure && tls ? { tls: () => tls.current } : {}),
    limits: {
      maxConnections: ingest.maxConnections,
      maxConnectionsPerAddress: ingest.maxConnectionsPerAddress,
      handshakeTimeoutMs: ingest.handshakeTimeout,
      publishTimeoutMs: ingest.publishTimeout,
      idleTimeoutMs: ingest.idleTimeout,
      maxMessageBytes: ingest.maxMessageSize,
      maxQueuedBytes: ingest.maxQueuedBytes,
      maxChunkStreams: ingest.maxChunkStreams,
      maxMessageStreams: ingest.maxMessageStreams,
      maxAmfDepth: ingest.maxAmfDepth,
    },
    clock,
    logger,
    gate,
    observer: ingestObserver(metrics.ingest, isSecure ? 'rtmps' : 'rtmp'),
    createDemuxer: () => new FlvDemuxer(),
    pool,
    turnMs: TURN_MS,
  })
  await listener.start()
  doors.own(isSecure ? 'rtmps listener' : 'rtmp listener', listener)
  if (isSecure) tls?.onChange(() => listener.setSecureContext())
  return listener
}
