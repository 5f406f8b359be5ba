import type { DrmSignalling } from './drm-signalling.ts'

/** What an entry takes beside its texts. */
const ENTRY_BYTES = 256

/** What it takes to hold on to it, in bytes, about. */
export function signallingBytes(told: DrmSignalling): number {
  let sizeBytes = ENTRY_BYTES
  for (const system of told) {
    sizeBytes += ENTRY_BYTES
    for (const text of Object.values(system)) sizeBytes += text?.length ?? 0
  }
  return sizeBytes
}
