import { pino } from 'pino'
import type { IngestLimits } from '../../src/ingest/ingest-limits.ts'
import type {
  IngestObserver,
  MediaDemuxer,
  PublishGate,
  PublishRequest,
  PublishSink,
  PublishVerdict,
  SessionEnd,
  SessionHandle,
} from '../../src/ingest/ports.ts'
import { RtmpListener, type RtmpListenerOptions } from '../../src/ingest/rtmp-listener.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { FormatError } from '../../src/lib/errors.ts'
import type { Contribution } from '../../src/media/media.ts'

/** A demuxer that gives each message back as a frame; a payload that begins with 0xee is broken. */
export const plainDemuxer = (): MediaDemuxer => ({
  read(type: 8 | 9, dtsMs: number, data: Uint8Array) {
    if (data[0] === 0xee) throw new FormatError('fake', 0, 'broken on purpose')
    const kind = type === 9 ? ('video' as const) : ('audio' as const)
    return [{ type: 'frame' as const, kind, trackId: 0, dtsMs, compositionMs: 0, independent: true, data }]
  },
})

/** Keeps what it is given. */
export class RecordingSink implements PublishSink {
  readonly contributions: Contribution[] = []
  readonly ends: SessionEnd[] = []
  /** What `push` answers from now on. */
  waiting: Promise<void> | undefined

  push(contribution: Contribution): Promise<void> | undefined {
    this.contributions.push(contribution)
    return this.waiting
  }

  end(reason: SessionEnd): void {
    this.ends.push(reason)
  }

  /** Contributions of one type. */
  of<T extends Contribution['type']>(type: T): Extract<Contribution, { type: T }>[] {
    return this.contributions.filter((one): one is Extract<Contribution, { type: T }> => one.type === type)
  }
}

/** Lets anybody in, until told otherwise, and keeps who came. */
export class RecordingGate implements PublishGate {
  readonly requests: PublishRequest[] = []
  readonly handles: SessionHandle[] = []
  readonly signals: AbortSignal[] = []
  readonly sinks: RecordingSink[] = []
  decide: (request: PublishRequest, sink: PublishSink) => Promise<PublishVerdict> = async (_request, sink) => ({
    accepted: true,
    sink,
  })

  authorise(request: PublishRequest, session: SessionHandle, signal: AbortSignal): Promise<PublishVerdict> {
    const sink = new RecordingSink()
    this.requests.push(request)
    this.handles.push(session)
    this.signals.push(signal)
    this.sinks.push(sink)
    return this.decide(request, sink)
  }
}

/** Everything an observer was told, by `name` or `name:detail`. */
export class RecordingObserver implements IngestObserver {
  readonly counts = new Map<string, number>()

  connectionOpened(): void {
    this.#add('opened')
  }

  connectionClosed(): void {
    this.#add('closed')
  }

  connectionRefused(limit: string): void {
    this.#add(`refused:${limit}`)
  }

  publishRefused(reason: string): void {
    this.#add(`publish-refused:${reason}`)
  }

  sessionStarted(): void {
    this.#add('started')
  }

  sessionEnded(reason: string): void {
    this.#add(`ended:${reason}`)
  }

  bytes(count: number): void {
    this.#add('bytes', count)
  }

  offence(kind: string): void {
    this.#add(`offence:${kind}`)
  }

  count(name: string): number {
    return this.counts.get(name) ?? 0
  }

  #add(name: string, count = 1): void {
    this.counts.set(name, this.count(name) + count)
  }
}

type LogLine = { readonly level: string; readonly msg: string; readonly [field: string]: unknown }

/** A listener on a free port, with doubles around it. */
export async function startIngest(limits: Partial<IngestLimits> = {}, more: Partial<RtmpListenerOptions> = {}) {
  const gate = new RecordingGate()
  const observer = new RecordingObserver()
  const log: LogLine[] = []
  const formatters = { level: (label: string) => ({ level: label }) }
  const logger = pino(
    { level: 'debug', base: null, formatters },
    { write: (line: string) => log.push(JSON.parse(line)) },
  )
  const listener = new RtmpListener({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    gate,
    observer,
    logger,
    limits: { lingerMs: 500, ...limits },
    ...more,
  })
  await listener.start()
  return { listener, gate, observer, log, target: { host: '127.0.0.1', port: listener.port } }
}
