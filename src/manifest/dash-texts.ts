import { TEXT_CODEC_STRINGS, type TextCodec } from '../media/text/text-init.ts'
import type { TextRendition } from '../presentation/text-rendition.ts'
import type { PresentationView } from '../presentation/view.ts'
import { type ListedPeriod, type MpdOrigin, PERIOD_TIMESCALE } from './dash-period.ts'
import type { ListedWindow } from './listed-window.ts'
import type { TextForm, TextUris } from './text-uris.ts'
import { TimelineRuns } from './timeline-runs.ts'
import { element, textElement, type Xml } from './xml.ts'

/** The texts of an MPD, and how it has them. */
export type DashTexts = { readonly form: TextForm; readonly uris: TextUris }

/** The segments of an MPD's texts: those of each of its stretches of timeline, by discontinuity sequence. */
export type TextTimelines = ReadonlyMap<number, TimelineRuns>

const ROLE_SCHEME = 'urn:mpeg:dash:role:2011'
const ACCESSIBILITY_SCHEME = 'urn:tva:metadata:cs:AudioPurposeCS:2007'
/** For the hard of hearing. */
const HARD_OF_HEARING = '2'
const ROLES = { subtitle: 'subtitle', caption: 'caption', forced: 'forced-subtitle' } as const

/** The segments of a window for texts that have any; what is over where the MPD begins is none. */
export function textTimelines(
  view: PresentationView,
  window: ListedWindow,
  { originTicks }: MpdOrigin,
  { form }: DashTexts,
): TextTimelines {
  const timelines = new Map<number, TimelineRuns>()
  if (form === 'none' || form === 'file' || !view.texts?.length) return timelines
  for (let sequence = window.first; sequence < window.end; sequence++) {
    const row = view.segment(sequence)
    if (!row || row.startTicks + row.durationTicks <= originTicks) continue
    const { discontinuitySequence, startTicks, durationTicks } = row
    const timeline = timelines.get(discontinuitySequence) ?? new TimelineRuns()
    timelines.set(discontinuitySequence, timeline)
    timeline.add(startTicks, durationTicks)
  }
  return timelines
}

/**
 * The adaptation sets of a period's texts, each with the segments of the presentation as its own, in 90 kHz. `mediaTicks` is the media time at
 * which the period begins; ids follow on `firstId`.
 */
export function textSets(
  view: PresentationView,
  period: ListedPeriod,
  mediaTicks: number,
  firstId: number,
  { form, uris, timelines }: DashTexts & { readonly timelines: TextTimelines },
): readonly Xml[] {
  const { texts = [] } = view
  if (form === 'none' || texts.length === 0) return []
  if (form === 'file') {
    return texts.map((text, at) => fileSet(text, firstId + at, uris, mediaTicks, period.endMediaTicks))
  }
  const timeline = (timelines.get(period.discontinuitySequence) ?? new TimelineRuns()).toXml()
  return texts.map((text, at) => {
    const codec = form === 'fragments' ? text.codec : form
    return fragmentSet(text, firstId + at, codec, mediaTicks, timeline, uris)
  })
}

function fragmentSet(
  text: TextRendition,
  id: number,
  codec: TextCodec,
  mediaTicks: number,
  timeline: Xml,
  uris: TextUris,
): Xml {
  const attributes = {
    ...setAttributes(text, id),
    mimeType: 'application/mp4',
    codecs: TEXT_CODEC_STRINGS[codec],
    segmentAlignment: true,
    startWithSAP: 1,
  }
  const template = {
    timescale: PERIOD_TIMESCALE,
    presentationTimeOffset: mediaTicks,
    media: uris.dashSegmentTemplate(text, codec),
    initialization: uris.init(text, codec),
  }
  return element('AdaptationSet', attributes, [
    ...descriptors(text),
    element('SegmentTemplate', template, [timeline]),
    element('Representation', representation(text)),
  ])
}

/** Times of a whole file count from the beginning of its period (DASH-IF IOP, "Side-loaded text"). */
function fileSet(text: TextRendition, id: number, uris: TextUris, fromTicks: number, toTicks: number): Xml {
  const format = text.codec === 'stpp' ? 'ttml' : 'vtt'
  const mimeType = format === 'ttml' ? 'application/ttml+xml' : 'text/vtt'
  const base = textElement('BaseURL', uris.whole(text, format, fromTicks, toTicks))
  return element('AdaptationSet', { ...setAttributes(text, id), mimeType }, [
    ...descriptors(text),
    element('Representation', representation(text), [base]),
  ])
}

function setAttributes({ language }: TextRendition, id: number) {
  return { id, contentType: 'text', lang: language }
}

function representation({ id, bandwidth }: TextRendition) {
  return { id: `text-${id}`, bandwidth }
}

function descriptors({ role, name }: TextRendition): readonly Xml[] {
  const described = role === 'caption' ? [{ schemeIdUri: ACCESSIBILITY_SCHEME, value: HARD_OF_HEARING }] : []
  return [
    textElement('Label', name),
    ...described.map((attributes) => element('Accessibility', attributes)),
    element('Role', { schemeIdUri: ROLE_SCHEME, value: ROLES[role] }),
  ]
}
