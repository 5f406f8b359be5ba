import type { Contribution } from '../media/media.ts'
import { asAmfObject } from '../media/rtmp/amf.ts'
import type { DataMessage } from '../media/rtmp/command.ts'

/**
 * What a data message contributes: `onMetaData` the encoder's words about itself, every other `on…` a cue (`onCuePoint`,
 * `onAdCue`, `onTextData`, `onCaptionInfo`, `onFI`). `undefined` for what says nothing here, such as `|RtmpSampleAccess`.
 */
export function contributionOf({ name, values }: DataMessage, timestampMs: number): Contribution | undefined {
  if (name === 'onMetaData') return { type: 'metadata', values: asAmfObject(values[0]) ?? {} }
  if (!name.startsWith('on')) return undefined
  return { type: 'cue', name, dtsMs: timestampMs, value: values.length > 1 ? values : values[0] }
}
