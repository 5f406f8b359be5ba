import { silentAac } from '../../../src/media/codecs/silence.ts'
import type { AudioConfig, Sample, VideoConfig } from '../../../src/media/media.ts'

/** 320x180 at 25 frames a second, as x264 writes it. */
export const videoConfig: VideoConfig = {
  kind: 'video',
  codec: 'avc',
  record: Uint8Array.from(
    Buffer.from('0164000cffe1001a6764000cacd941419f9f011000000300100000030320f142996001000468ef8fcbfdf8f800', 'hex'),
  ),
  width: 320,
  height: 180,
  codecString: 'avc1.64000c',
  frameRate: 25,
}

export const audioConfig: AudioConfig = silentAac(48_000, 2).config

/** On the two-second grid. */
export const START_TICKS = 1_763_000_000 * 90_000
const START_AUDIO = 1_763_000_000 * 48_000

/** The nth picture at 25 frames a second, an IDR each second. */
export function picture(n: number, sizeBytes = 8): Sample {
  return {
    dtsTicks: START_TICKS + n * 3600,
    compositionTicks: 0,
    independent: n % 25 === 0,
    data: new Uint8Array(sizeBytes).fill(n & 0xff),
  }
}

/** The nth frame of sound. */
export function sound(n: number): Sample {
  return {
    dtsTicks: START_AUDIO + n * 1024,
    compositionTicks: 0,
    independent: true,
    data: Uint8Array.of(1, 2, n & 0xff),
  }
}

/** How many frames of sound begin before the nth picture. */
export function soundsBefore(n: number): number {
  return Math.ceil((n * 1920) / 1024)
}
