import { startHeadend } from '../test/support/headend.ts'
import { NodeMediaServerPeer } from './node-media-server.ts'
import type { StreamReport } from './publishers.ts'
import { checkStream, sumOfMetric } from './stream-check.ts'

/** A server that takes streams, running. */
export type IngestServer = {
  readonly pid: number
  readonly port: number
  /** Stream names that may be published in the application `live`. */
  readonly names: readonly string[]
  /** What it keeps of the media on purpose. */
  heldBytes(): Promise<number>
  /** What shows that it did not do its work on what was sent. */
  problems(sent: readonly StreamReport[]): Promise<string[]>
  stop(): Promise<unknown>
}

/** One of those that are compared. */
export type IngestSide = {
  readonly name: string
  start(streams: number): Promise<IngestServer>
}

const SEGMENT_SECONDS = 2
const REWIND_SECONDS = 60
const LISTING = { segmentSeconds: SEGMENT_SECONDS, windowSeconds: REWIND_SECONDS, slackSegments: 2 }
/** Counters that stay 0 as long as nothing is lost. */
const LOSSES = [
  'headend_ingest_dropped_frames_total',
  'headend_segmenter_gaps_total',
  'headend_segmenter_discontinuities_total',
  'headend_segmenter_non_independent_cuts_total',
]

/** A GUID that ends in a name's number. */
function locatorIdOf(name: string): string {
  return `00000000-0000-4000-8000-${name.replace(/\D/g, '').padStart(12, '0')}`
}

/** Low-latency channels, each with a program: H.264 and AAC packaged as they come, in 2 s segments and 0.5 s parts. */
export const headendSide: IngestSide = {
  name: 'headend',
  async start(streams) {
    const names = Array.from({ length: streams }, (_, index) => `load-test-${index + 1}`)
    const headend = await startHeadend({
      config: {
        logLevel: 'warn',
        origin: { conformanceEvery: 0 },
        bootstrap: {
          channels: names.map((name) => ({
            name,
            streamKey: name,
            latency: 'low',
            segmentDuration: `${SEGMENT_SECONDS}s`,
            partDuration: '500ms',
          })),
          programs: names.map((name) => ({
            name,
            channel: name,
            locatorId: locatorIdOf(name),
            rewindWindow: `${REWIND_SECONDS}s`,
          })),
        },
      },
    })
    return {
      pid: headend.pid,
      port: headend.rtmpPort,
      names,
      async heldBytes() {
        const metrics = await headend.metrics()
        return sumOfMetric(metrics, 'headend_log_held_bytes') + sumOfMetric(metrics, 'headend_log_index_bytes')
      },
      async problems(sent) {
        const metrics = await headend.metrics()
        const losses = LOSSES.map((name) => [name, sumOfMetric(metrics, name)] as const)
        const found = losses.filter(([, count]) => count > 0).map(([name, count]) => `${name} is ${count}`)
        for (const [index, { sentSeconds }] of sent.entries()) {
          const url = `${headend.quickstart.streamingUrl}/${locatorIdOf(names[index] ?? '')}/index.m3u8`
          const expected = { ...LISTING, sentSeconds }
          found.push(...(await checkStream(url, expected)))
        }
        return found
      },
      stop: () => headend.stop(),
    }
  },
}

/** RTMP alone: it keeps a GOP of each stream and packages nothing. */
export const nodeMediaServerSide: IngestSide = {
  name: 'node-media-server',
  async start(streams) {
    const names = Array.from({ length: streams }, (_, index) => `load-test-${index + 1}`)
    const peer = new NodeMediaServerPeer()
    try {
      const port = await peer.start()
      return {
        pid: peer.pid,
        port,
        names,
        heldBytes: async () => 0,
        async problems(sent) {
          const total = (bytes: readonly number[]) => bytes.reduce((sum, count) => sum + count, 0)
          const received = await peer.received()
          const sentBytes = total(sent.map((stream) => stream.sentBytes))
          const found = received.length === streams ? [] : [`${received.length} streams accepted of ${streams}`]
          if (total(received) < sentBytes * 0.99) found.push(`${total(received)} bytes taken of ${sentBytes}`)
          return found
        },
        stop: () => peer.stop(),
      }
    } catch (error) {
      await peer.stop()
      throw error
    }
  },
}
