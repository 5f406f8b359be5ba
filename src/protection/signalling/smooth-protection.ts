import { drmSystems } from '../drm/drm-systems.ts'
import { type EnvelopeSignal, envelopeProtection } from './envelope-markup.ts'

/** By this, Azure Media Services told players of Smooth Streaming that whole fragments are encrypted. */
const ENVELOPE_SYSTEM = 'B47B251A-2409-4B42-958E-08DBAE7B4EE9'

/** The `Protection` element of a Smooth Streaming manifest ([MS-SSTR] §2.2.2.2) for PlayReady. */
export function smoothPlayReady(playReadyObject: Uint8Array): string {
  return protection(drmSystems.playready.toUpperCase(), Buffer.from(playReadyObject).toString('base64'))
}

/** The `Protection` element for whole fragments in AES-128-CBC. */
export function smoothEnvelope(signal: EnvelopeSignal): string {
  return protection(ENVELOPE_SYSTEM, `\n${envelopeProtection(signal)}\n`)
}

function protection(systemId: string, content: string): string {
  return `<Protection>\n<ProtectionHeader SystemID="${systemId}">${content}</ProtectionHeader>\n</Protection>`
}
