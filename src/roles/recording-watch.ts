import type { RecordingObserver } from '../archive/ports.ts'
import type { RecordingOwner } from '../archive/recording-file.ts'
import { type EventData, type EventType, type NewEvent, newEvent } from '../domain/events.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { ArchiveMetrics } from '../telemetry/archive-metrics.ts'
import type { EventRecorder } from './input-watch.ts'

/** Whom it tells. */
export type RecordingWatchPorts = {
  readonly events: EventRecorder
  readonly metrics: ArchiveMetrics
  readonly clock: Clock
  readonly logger: Logger
}

/** What is lost one by one is told of together, now and then. */
const TELL_LOSSES_MS = 10_000
const LONGEST_TEXT = 1_024

/** Tells of a recording what an operator must know: in events, in the log, in metrics. */
export function watchRecording(owner: RecordingOwner, ports: RecordingWatchPorts): RecordingObserver {
  const { events, metrics, clock } = ports
  const { accountId, programId, assetId } = owner
  const logger = ports.logger.child({ program: programId, asset: assetId })
  const subject = { accountId, id: programId }
  let isDegraded = false
  let isStorageFailing = false
  let untoldLosses = 0
  let toldMs = Number.NEGATIVE_INFINITY
  const say = <T extends EventType>(type: T, data: EventData<T>) =>
    events.record(newEvent(type, subject, data, clock.now()) as NewEvent)
  const tellLosses = () => {
    if (untoldLosses === 0) return
    toldMs = clock.monotonicMs()
    const segments = untoldLosses
    untoldLosses = 0
    logger.error({ segments }, 'segments were lost from the recording: they are gaps')
    say('program.segments-lost', { segments })
  }
  return {
    degraded(problem) {
      if (isDegraded) return
      isDegraded = true
      metrics.degraded(1)
      logger.error({ problem }, 'the recording does not come to the disk: live goes on from memory')
      say('program.recording-degraded', { problem: problem.slice(0, LONGEST_TEXT) })
    },
    recovered() {
      if (!isDegraded) return
      isDegraded = false
      metrics.degraded(-1)
      logger.info('the recording comes to the disk again')
      tellLosses()
      say('program.recording-recovered', {})
    },
    lost(count) {
      metrics.lost(count)
      untoldLosses += count
      if (clock.monotonicMs() - toldMs >= TELL_LOSSES_MS) tellLosses()
    },
    storageFailed(problem) {
      metrics.commitFailed()
      logger.warn({ problem }, 'storage does not take the recording: it stays on the disk of this node for now')
      if (isStorageFailing) return
      isStorageFailing = true
      say('program.storage-failing', { problem: problem.slice(0, LONGEST_TEXT) })
    },
    committed(sizeBytes, durationMs) {
      metrics.committed(sizeBytes, durationMs / 1_000)
      if (!isStorageFailing) return
      isStorageFailing = false
      logger.info('storage takes the recording again')
      say('program.storage-recovered', {})
    },
    discarded: (spans) => metrics.discarded(spans),
  }
}
