import { AppError } from '../../lib/errors.ts'
import type { AudioConfig } from '../media.ts'
import { AAC_SAMPLE_RATES, aacConfig } from './aac.ts'

/** A silent AAC-LC track: its configuration, and the one frame (1024 samples) of which it is made again and again. */
export type SilentAac = { readonly config: AudioConfig; readonly frame: Uint8Array }

/*
 * Made by ffmpeg 5.1, with the 7 bytes of ADTS header taken off; a frame without spectrum is the same at every rate:
 *   ffmpeg -f lavfi -i anullsrc=r=48000:cl=mono -t 1 -c:a aac -flags +bitexact -fflags +bitexact -f adts mono.adts
 *   ffmpeg -f lavfi -i anullsrc=r=48000:cl=stereo -t 1 -c:a aac -flags +bitexact -fflags +bitexact -f adts stereo.adts
 */
const MONO_FRAME: readonly number[] = [0x01, 0x18, 0x20, 0x07]
const STEREO_FRAME: readonly number[] = [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c]

const LOW_COMPLEXITY = 2

/**
 * Silence as AAC-LC, in memory of its own. A rate without an index of its own in `AAC_SAMPLE_RATES` is `MEDIA_UNSUPPORTED`: it
 * could be written out, but ffmpeg and others refuse that.
 */
export function silentAac(sampleRate: number, channels: 1 | 2): SilentAac {
  const index = AAC_SAMPLE_RATES.indexOf(sampleRate)
  if (index < 0) throw new AppError('MEDIA_UNSUPPORTED', `AAC can't have a sample rate of ${sampleRate} Hz.`)
  // AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1): 5 bits of object type, 4 of rate index, 4 of channels, 3 zero flags.
  const packed = (LOW_COMPLEXITY << 11) | (index << 7) | (channels << 3)
  return {
    config: aacConfig(Uint8Array.of(packed >>> 8, packed & 0xff)),
    frame: Uint8Array.from(channels === 1 ? MONO_FRAME : STEREO_FRAME),
  }
}
