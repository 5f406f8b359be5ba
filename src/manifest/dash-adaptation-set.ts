import type { AudioConfig, CodecConfig } from '../media/media.ts'
import type { Track } from '../presentation/records.ts'
import type { Rendition } from '../presentation/view.ts'
import { captionsOf, dashCaptions } from './captions.ts'
import { inBandStreams } from './dash-in-band.ts'
import type { PeriodKeys } from './dash-keys.ts'
import type { NumberedTemplate, PeriodRepresentation } from './dash-period.ts'
import { PERIOD_TIMESCALE } from './dash-period.ts'
import type { ManifestUris } from './manifest-uris.ts'
import { rescale } from './time-text.ts'
import { element, textElement, type Xml } from './xml.ts'

/** `SegmentTemplate` attributes of one representation. */
type Template = Readonly<
  Record<'timescale' | 'presentationTimeOffset' | 'media' | 'initialization', string | number> &
    Partial<NumberedTemplate>
>

type PeriodTraits = {
  /** Whose segments carry markers. */
  readonly inBand?: Rendition['kind'] | undefined
  /** Absent: it is in the clear. */
  readonly keys?: PeriodKeys | undefined
}

/**
 * The adaptation sets of a period: players switch within one, so its members share codec, language and channels. `@id` is
 * the index of the first such rendition in the presentation, and so the same in every period.
 */
export function adaptationSets(
  representations: readonly PeriodRepresentation[],
  renditions: readonly Rendition[],
  mediaTicks: number,
  uris: ManifestUris,
  traits: PeriodTraits = {},
): readonly Xml[] {
  const sets = Map.groupBy(representations, ({ track }) => setKey(track))
  return [...sets].map(([key, members]) => {
    const first = renditions.find(({ tracks }) => tracks.some((track) => setKey(track) === key))
    return adaptationSet(
      first?.index ?? -1,
      members as [PeriodRepresentation, ...PeriodRepresentation[]],
      mediaTicks,
      uris,
      traits,
    )
  })
}

function setKey({ config, language, alternative = 0 }: Track): string {
  const sound = config.kind === 'audio' ? `${config.channels}/${language ?? ''}/${alternative}` : ''
  return `${config.kind}/${config.codec}/${sound}`
}

function adaptationSet(
  id: number,
  members: readonly [PeriodRepresentation, ...PeriodRepresentation[]],
  mediaTicks: number,
  uris: ManifestUris,
  { inBand, keys }: PeriodTraits,
): Xml {
  const [{ track, timeline, numbered }] = members
  const { kind } = track.config
  const templates = members.map((member) => templateOf(member, mediaTicks, uris, keys))
  // Members with different keys say each its own.
  const protections = members.map((member) => keys?.elements(member.track) ?? [])
  const isKeyShared = protections.every((one) => one.join() === protections[0]?.join())
  const isTimelineShared = members.every(
    (member) => member.timeline === timeline && member.track.timescale === track.timescale,
  )
  const shared = isTimelineShared ? sharedAttributes(templates) : {}
  const children: Xml[] = []
  if (track.config.kind === 'audio') children.push(channelConfiguration(track.config))
  if (isKeyShared) children.push(...(protections[0] ?? []))
  if (kind === inBand) children.push(...inBandStreams())
  children.push(...(numbered?.elements(kind) ?? []))
  children.push(...dashCaptions(captionsOf(members.map((member) => member.track))))
  if (track.alternative) children.push(textElement('Label', track.rendition))
  const role = track.alternative ? 'alternate' : 'main'
  children.push(element('Role', { schemeIdUri: 'urn:mpeg:dash:role:2011', value: role }))
  if (isTimelineShared) children.push(element('SegmentTemplate', shared, timelineOf(timeline)))
  for (const [at, member] of members.entries()) {
    const own = Object.entries(templates[at] ?? {}).filter(([name]) => !(name in shared))
    const template = own.length === 0 ? [] : [ownTemplate(own, isTimelineShared ? [] : timelineOf(member.timeline))]
    children.push(representation(member, isKeyShared ? template : [...(protections[at] ?? []), ...template]))
  }
  const attributes = {
    id,
    contentType: kind,
    mimeType: `${kind}/mp4`,
    lang: kind === 'audio' ? track.language : undefined,
    segmentAlignment: true,
    startWithSAP: members.every(({ independent }) => independent) ? 1 : undefined,
  }
  return element('AdaptationSet', attributes, children)
}

/** Segments that are counted have none. */
function timelineOf(timeline: Xml | undefined): readonly Xml[] {
  return timeline === undefined ? [] : [timeline]
}

function templateOf(
  { rendition, track, numbered }: PeriodRepresentation,
  mediaTicks: number,
  uris: ManifestUris,
  keys: PeriodKeys | undefined,
): Template {
  const initialization = uris.init(track, keys?.initPeriod(track))
  if (numbered) {
    const media = uris.dashNumberTemplate(track, numbered.discontinuitySequence)
    return { ...numbered.template, media, initialization }
  }
  return {
    timescale: track.timescale,
    presentationTimeOffset: rescale(mediaTicks, PERIOD_TIMESCALE, track.timescale),
    media: uris.dashSegmentTemplate(rendition, track),
    initialization,
  }
}

/** What all templates say alike stands on the adaptation set; representations inherit it (§5.3.9.1). */
function sharedAttributes(templates: readonly Template[]): Partial<Template> {
  const entries = Object.entries(templates[0] ?? {}) as [keyof Template, string | number][]
  return Object.fromEntries(entries.filter(([name, value]) => templates.every((other) => other[name] === value)))
}

function ownTemplate(attributes: readonly [string, string | number][], timeline: readonly Xml[]): Xml {
  return element('SegmentTemplate', Object.fromEntries(attributes), timeline)
}

function representation({ id, track }: PeriodRepresentation, template: readonly Xml[]): Xml {
  const { config } = track
  const attributes = { id, bandwidth: Math.ceil(track.bandwidth), codecs: config.codecString }
  return element('Representation', { ...attributes, ...formatOf(config, track.frameRate) }, template)
}

function formatOf(config: CodecConfig, declaredRate: number | undefined): Record<string, string | number | undefined> {
  if (config.kind === 'audio') return { audioSamplingRate: config.sampleRate }
  const { width, height, frameRate: codedRate } = config
  const rate = declaredRate ?? codedRate
  return { width, height, frameRate: rate === undefined ? undefined : frameRateRatio(rate), sar: '1:1' }
}

/** `@frameRate` is an integer or a ratio of integers (§5.3.7.2); NTSC's rates are known by their distance from whole ones. */
function frameRateRatio(rate: number): string {
  const whole = Math.round(rate)
  if (Math.abs(rate - whole) < 0.001) return String(whole)
  const isNtsc = Math.abs(rate - (whole * 1_000) / 1_001) < 0.005
  return isNtsc ? `${whole * 1_000}/1001` : `${Math.round(rate * 1_000)}/1000`
}

/** The ChannelConfiguration index (ISO/IEC 23003-3 Table 68): the number of channels up to 5.1, 7 for 7.1. */
function channelConfiguration({ channels }: AudioConfig): Xml {
  return element('AudioChannelConfiguration', {
    schemeIdUri: 'urn:mpeg:dash:23003:3:audio_channel_configuration:2011',
    value: channels === 8 ? 7 : channels,
  })
}
