import { equalBytes } from '../lib/bytes.ts'
import type { CodecConfig } from './media.ts'

/**
 * Whether a configuration would make the same init segment as the one before. The record decides; the size and the rate
 * are compared too because VP9's record has no size and MP3 has no record.
 */
export function sameConfig(before: CodecConfig | undefined, now: CodecConfig): boolean {
  if (before === undefined || before.codec !== now.codec || !equalBytes(before.record, now.record)) return false
  if (before.kind === 'video' && now.kind === 'video') {
    return before.width === now.width && before.height === now.height
  }
  if (before.kind === 'audio' && now.kind === 'audio') {
    return before.sampleRate === now.sampleRate && before.channels === now.channels
  }
  return false
}
