import { parseAvcRecord } from '../codecs/avc.ts'
import { parseHevcRecord } from '../codecs/hevc.ts'
import { joinLengthPrefixed } from '../codecs/nal-units.ts'
import { silentAac } from '../codecs/silence.ts'
import type { CodecConfig } from '../media.ts'

/** Bytes of a file that no segment has, as they go with one sample description. */
export type Inserted = {
  /** A frame that is heard as nothing, and how long it lasts in ticks. */
  readonly silence?: { readonly frame: Uint8Array; readonly durationTicks: number }
  /** The parameter sets, as they stand in front of a sample. */
  readonly parameterSets?: Uint8Array
}

/**
 * What a track of this configuration may need. Players that read a file play sound as it comes and let the picture wait for it: a
 * hole in the times alone puts them out of step from there on, so sound gets silence. And browsers look at the first sample
 * description of a video only: where there are others (`changes`), each key frame brings its parameter sets along.
 */
export function insertedFor(config: CodecConfig, changes: boolean): Inserted {
  if (config.kind === 'audio') return silenceFor(config.codecString, config.sampleRate, config.channels)
  if (!changes) return {}
  if (config.codec === 'avc') {
    const { sps, pps, lengthSize } = parseAvcRecord(config.record)
    return { parameterSets: joinLengthPrefixed([...sps, ...pps], lengthSize, 'avcC') }
  }
  if (config.codec === 'hevc') {
    const { arrays, lengthSize } = parseHevcRecord(config.record)
    return {
      parameterSets: joinLengthPrefixed(
        arrays.flatMap(({ units }) => units),
        lengthSize,
        'hvcC',
      ),
    }
  }
  // Key frames of AV1 and VP9 describe themselves.
  return {}
}

function silenceFor(codecString: string, sampleRate: number, channels: number): Inserted {
  if (codecString !== 'mp4a.40.2' || (channels !== 1 && channels !== 2)) return {}
  try {
    return { silence: { frame: silentAac(sampleRate, channels).frame, durationTicks: 1024 } }
  } catch {
    // A rate that AAC has no index for: its holes stay holes in the times.
    return {}
  }
}
