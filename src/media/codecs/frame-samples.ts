import type { AudioConfig } from '../media.ts'
import { ac3Samples } from './ac3.ts'
import { eac3Samples } from './eac3.ts'
import { flacSamples } from './flac.ts'
import { mp3Samples } from './mp3.ts'
import { opusSamples } from './opus.ts'

/**
 * The duration of one coded audio contribution in samples at `config.sampleRate`: constant for AAC, read from the data for the
 * others, whose messages may vary or hold several frames. Data that isn't the codec's is a `FormatError`.
 */
export function frameSamples(config: AudioConfig, data: Uint8Array): number {
  switch (config.codec) {
    case 'aac':
      return config.samplesPerFrame
    case 'mp3':
      return mp3Samples(data)
    case 'opus':
      return opusSamples(data)
    case 'flac':
      return flacSamples(data)
    case 'ac3':
      return ac3Samples(data)
    case 'eac3':
      return eac3Samples(data)
  }
}
