import { smoothLeadingBytes, writeSmoothLeading } from '../media/isobmff/smooth-boxes.ts'
import { layOutRun } from '../media/isobmff/track-run.ts'

/** No track of a log has so high a number. */
const SPARSE_TRACK_ID = 0xffff

/**
 * A fragment of a sparse stream: one sample, which is a message at an instant. Nothing follows it that would be known ([MS-SSTR] §2.2.4).
 * `time` and `duration` in ticks of Smooth's timescale.
 */
export function sparseFragment(time: number, duration: number, message: Uint8Array): Uint8Array {
  const samples = [{ durationTicks: duration, compositionTicks: 0, independent: true, data: message }]
  const layout = layOutRun(samples)
  const bytes = new Uint8Array(smoothLeadingBytes(layout, 0) + layout.dataBytes)
  const header = { sequenceNumber: 1, trackId: SPARSE_TRACK_ID, time, duration, next: [] }
  const { dataStart } = writeSmoothLeading(new DataView(bytes.buffer), header, { samples, layout })
  bytes.set(message, dataStart)
  return bytes
}
