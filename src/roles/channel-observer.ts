import type { ChannelObserver } from '../channel/ports.ts'
import type { ChannelMetrics } from './channel-metrics.ts'
import type { InputWatch } from './input-watch.ts'

/** What a channel tells of itself goes to the metrics and, as far as it is about its inputs, to who watches them. */
export function channelObserver(metrics: ChannelMetrics, watch: InputWatch): ChannelObserver {
  return {
    sessionStarted: (layer, isStandby) => metrics.sessionStarted(layer, isStandby),
    sessionEnded: (layer) => metrics.sessionEnded(layer),
    frameReceived: (layer, kind, sizeBytes) => metrics.frameReceived(layer, kind, sizeBytes),
    frameDropped(layer, reason) {
      metrics.frameDropped(layer, reason)
      watch.frameDropped(layer, reason)
    },
    gopEnded: (layer, seconds) => metrics.gopEnded(layer, seconds),
    drift(layer, seconds) {
      metrics.drift(layer, seconds)
      watch.drift(layer, seconds * 1_000)
    },
    clockJumped(layer) {
      metrics.clockJumped(layer)
      watch.clockJumped(layer)
    },
    audioVideoOffset: (layer, seconds) => metrics.audioVideoOffset(layer, seconds),
    recordWritten: (record, rendition, endMs) => metrics.recordWritten(record, rendition, endMs),
    cutForced: (startMs) => metrics.cutForced(startMs),
    inputsChanged(layer, active, standby) {
      metrics.inputsChanged(layer, active, standby)
      watch.inputsChanged(layer, active)
    },
    inputSwitched(change) {
      metrics.inputSwitched(change)
      watch.inputSwitched(change)
    },
    slateShown() {
      metrics.slateShown()
      watch.slateShown()
    },
    slateEnded() {
      metrics.slateEnded()
      watch.slateEnded()
    },
    slateFailed(error) {
      metrics.slateFailed(error)
      watch.slateFailed(error)
    },
    inputLost(reason) {
      metrics.inputLost(reason)
      // Stopped or reset on request, which is an event of its own.
      if (reason !== 'stopped' && reason !== 'reset') watch.inputLost(reason)
    },
    inputReturned() {
      metrics.inputReturned()
      watch.inputReturned()
    },
  }
}
