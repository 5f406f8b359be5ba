import { ID3_IN_BAND, SCTE35_IN_BAND } from '../presentation/marker-events.ts'
import type { PresentationView } from '../presentation/view.ts'
import { element, type Xml } from './xml.ts'

/** Whose segments may carry markers: pictures, or sound where there are none; `undefined` as long as nothing was ever said of any. */
export function inBandKind({ header, renditions }: PresentationView): 'video' | 'audio' | undefined {
  if ((header.markerChanges ?? 0) === 0) return undefined
  return renditions.some(({ kind }) => kind === 'video') ? 'video' : 'audio'
}

/**
 * `InbandEventStream` of an adaptation set whose segments carry markers (ISO/IEC 23009-1 §5.10.3.2): players pass over messages that no manifest
 * speaks of. The ids of messages are those of the events in the MPD.
 */
export function inBandStreams(): readonly Xml[] {
  return [SCTE35_IN_BAND, ID3_IN_BAND].map((schemeIdUri) => element('InbandEventStream', { schemeIdUri }))
}
