import type { IngestObserver } from '../ingest/ports.ts'
import type { IngestMetrics, IngestProtocol } from '../telemetry/ingest-metrics.ts'

/** Counts what a listener sees. Sessions are counted by the channel they publish to, not here. */
export function ingestObserver(metrics: IngestMetrics, protocol: IngestProtocol): IngestObserver {
  return {
    connectionOpened: () => metrics.connectionOpened(protocol),
    connectionClosed: () => metrics.connectionClosed(protocol),
    connectionRefused: (limit) => metrics.connectionRefused(limit),
    publishRefused: (reason) => metrics.connectionRefused(reason),
    sessionStarted: () => undefined,
    sessionEnded: (reason) => metrics.sessionClosed(reason),
    bytes: (count) => metrics.socketRead(protocol, count),
    offence: (kind) => metrics.offence(kind),
  }
}
