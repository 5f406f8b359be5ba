/** Bytes of a version 1 `prft`. */
export const PRODUCER_REFERENCE_BYTES = 32

const PRFT = 0x70726674
/** The clock is the wall clock of the producer at an instant of its own choice: what low-latency DASH writers set. */
const WALL_CLOCK_FLAGS = 24
const NTP_SECONDS_AT_UNIX_EPOCH = 2_208_988_800

/**
 * Writes a `prft` (ISO/IEC 14496-12 §8.16.5) at `at` of memory that has room for it; gives the offset behind it. `wallMs` is
 * in milliseconds from the Unix epoch and written as an NTP timestamp of the current era.
 */
export function writeProducerReference(
  view: DataView,
  at: number,
  reference: { readonly trackId: number; readonly wallMs: number; readonly mediaTicks: number },
): number {
  const { trackId, wallMs, mediaTicks } = reference
  const seconds = Math.floor(wallMs / 1000)
  view.setUint32(at, PRODUCER_REFERENCE_BYTES)
  view.setUint32(at + 4, PRFT)
  view.setUint32(at + 8, 0x01000000 | WALL_CLOCK_FLAGS)
  view.setUint32(at + 12, trackId)
  view.setUint32(at + 16, seconds + NTP_SECONDS_AT_UNIX_EPOCH)
  view.setUint32(at + 20, Math.floor(((wallMs - seconds * 1000) / 1000) * 2 ** 32))
  view.setUint32(at + 24, Math.floor(mediaTicks / 2 ** 32))
  view.setUint32(at + 28, mediaTicks >>> 0)
  return at + PRODUCER_REFERENCE_BYTES
}
