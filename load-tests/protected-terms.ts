import { type DeliveryKey, type DeliveryTerms, nothingDelivered } from '../src/domain/delivery-terms.ts'
import type { KeySource } from '../src/origin/ports.ts'

/** How a recording is protected in a load test. */
export type LoadProtection = 'cenc' | 'cbcs' | 'envelope'

const IDS: Readonly<Record<LoadProtection, string>> = {
  cenc: '01234567-89ab-4def-8123-456789abcdef',
  cbcs: '11234567-89ab-4def-8123-456789abcdef',
  envelope: '21234567-89ab-4def-8123-456789abcdef',
}
const VALUE = new Uint8Array(16).fill(0x5a)

/** What a locator of this name delivers: one protection, with one key. */
export function protectedTerms(protection: LoadProtection): DeliveryTerms {
  const key: DeliveryKey = {
    ...{ contentKeyId: IDS[protection], kind: protection, rotating: false, created: '2026-01-01T00:00:00.000Z' },
    had: ['clearkey', 'aes128'],
  }
  const protocols = { ...nothingDelivered.protocols, hls: [protection], dash: [protection] }
  return { ...nothingDelivered, policy: 'load', protocols, keys: [key] }
}

/** Opens the keys of all of them. */
export const loadKeys: KeySource = {
  findFor: async (id) =>
    Object.values(IDS).includes(id) ? { material: { source: 'value', bytes: VALUE } } : undefined,
}
