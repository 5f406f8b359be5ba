import { checkCounted, checkCountedReload } from './dash-low-latency-rules.ts'
import { Findings, type Violation } from './violation.ts'
import { readXml, type XmlElement } from './xml-reader.ts'

/** Periods and timelines are told in different units: so much may come together, in seconds. */
const ROUNDING_S = 0.002
const DURATION = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/

/** Checks an MPD for itself (ISO/IEC 23009-1 §5.3), as far as live-profile templates with a `SegmentTimeline` go. */
export function checkMpd(text: string): readonly Violation[] {
  const findings = new Findings()
  const mpd = rootOf(text, findings)
  if (!mpd) return findings.all
  checkRoot(mpd, findings)
  const periods = childrenOf(mpd, 'Period')
  let before = Number.NEGATIVE_INFINITY
  const ids = new Set<string>()
  for (const period of periods) {
    const id = period.attributes.get('id') ?? ''
    const start = seconds(period.attributes.get('start'))
    findings.expect(start !== undefined && start >= before, 'dash-period', () => `period ${id} starts at ${start}`)
    findings.expect(id !== '' && !ids.has(id), 'dash-period', () => `period "${id}" is not the only one`)
    ids.add(id)
    before = start ?? before
    for (const set of childrenOf(period, 'AdaptationSet')) checkSet(mpd, set, { id, start }, findings)
  }
  findings.expect(periods.length > 0, 'dash-period', 'there is no period')
  return findings.all
}

/** Checks what a player that has `before` finds when it loads `after` (§5.4): newer, and the same segments at the same times. */
export function checkMpdReload(before: string, after: string): readonly Violation[] {
  const findings = new Findings()
  const ignored = new Findings()
  const [old, now] = [rootOf(before, ignored), rootOf(after, ignored)]
  if (!old || !now) return findings.all
  const [first, second] = [old, now].map(({ attributes }) => Date.parse(attributes.get('publishTime') ?? ''))
  const isBack = first !== undefined && second !== undefined && second < first
  findings.expect(!isBack, 'dash-reload', 'publishTime went back')
  for (const name of ['availabilityStartTime', 'profiles']) {
    const [was, is] = [old.attributes.get(name), now.attributes.get(name)]
    const isLive = old.attributes.get('type') === 'dynamic' && now.attributes.get('type') === 'dynamic'
    findings.expect(!isLive || was === is, 'dash-reload', `${name} was ${was} and is ${is}`)
  }
  const starts = new Map(
    childrenOf(old, 'Period').map(({ attributes }) => [attributes.get('id'), attributes.get('start')]),
  )
  checkCountedReload(old, now, findings)
  const isSameTimeline = old.attributes.get('type') === now.attributes.get('type')
  for (const { attributes } of childrenOf(now, 'Period')) {
    const was = starts.get(attributes.get('id'))
    const isKept = was === undefined || !isSameTimeline || was === attributes.get('start')
    findings.expect(isKept, 'dash-reload', () => `period ${attributes.get('id')} was at ${was}`)
  }
  return findings.all
}

function rootOf(text: string, findings: Findings): XmlElement | undefined {
  const root = readXml(text)
  const isMpd = root?.name === 'MPD'
  findings.expect(isMpd, 'dash-syntax', 'it is no well-formed MPD')
  return isMpd ? root : undefined
}

function childrenOf({ children }: XmlElement, name: string): XmlElement[] {
  return children.filter((child) => child.name === name)
}

function seconds(duration: string | undefined): number | undefined {
  const match = DURATION.exec(duration ?? '')
  if (!match) return undefined
  const [years = 0, months = 0, days = 0, hours = 0, minutes = 0, rest = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0))
  return (((years * 365 + months * 30 + days) * 24 + hours) * 60 + minutes) * 60 + rest
}

/** §5.3.1.2, table 3: what each kind of presentation must say. */
function checkRoot(mpd: XmlElement, findings: Findings): void {
  const { attributes } = mpd
  const isLive = attributes.get('type') === 'dynamic'
  const wanted = isLive ? ['availabilityStartTime', 'publishTime'] : ['mediaPresentationDuration']
  for (const name of ['profiles', 'minBufferTime', ...wanted]) {
    findings.expect(attributes.has(name), 'dash-attributes', `MPD@${name} is missing`)
  }
  for (const name of ['minBufferTime', 'minimumUpdatePeriod', 'timeShiftBufferDepth', 'mediaPresentationDuration']) {
    const text = attributes.get(name)
    findings.expect(text === undefined || seconds(text) !== undefined, 'dash-attributes', `MPD@${name} is ${text}`)
  }
  const isTimed = !isLive || childrenOf(mpd, 'UTCTiming').length > 0
  findings.expect(isTimed, 'dash-attributes', 'a live MPD without UTCTiming')
}

function checkSet(
  mpd: XmlElement,
  set: XmlElement,
  { id: period, start }: { readonly id: string; readonly start: number | undefined },
  findings: Findings,
): void {
  const shared = childrenOf(set, 'SegmentTemplate')[0]
  const representations = childrenOf(set, 'Representation')
  findings.expect(representations.length > 0, 'dash-attributes', `period ${period} has an empty AdaptationSet`)
  for (const representation of representations) {
    const { attributes } = representation
    const id = `${period}/${attributes.get('id')}`
    for (const name of ['id', 'bandwidth']) {
      findings.expect(attributes.has(name), 'dash-attributes', () => `Representation@${name} is missing in ${id}`)
    }
    const isPlain = /^(image\/|text\/|application\/ttml\+xml)/.test(
      attributes.get('mimeType') ?? set.attributes.get('mimeType') ?? '',
    )
    // The type of a picture, or of a text by itself, says it all.
    for (const name of isPlain ? ['mimeType'] : ['codecs', 'mimeType']) {
      const isThere = attributes.has(name) || set.attributes.has(name)
      findings.expect(isThere, 'dash-attributes', () => `@${name} is missing in ${id}`)
    }
    const own = childrenOf(representation, 'SegmentTemplate')[0]
    // One file is all that there is of it (§5.3.9.1).
    if (!own && !shared && childrenOf(representation, 'BaseURL').length > 0) continue
    const templates = [own, shared].filter((template) => template !== undefined)
    checkTemplate(templates, id, findings)
    const counted = { id, set, attribute: inherited(templates), periodStartS: start ?? Number.NaN }
    checkCounted(mpd, counted, findings)
  }
}

/** A representation's template inherits from that of its set (§5.3.9.1). */
function checkTemplate(templates: readonly XmlElement[], id: string, findings: Findings): void {
  const attribute = inherited(templates)
  const media = attribute('media') ?? ''
  const timeline = templates.flatMap((template) => childrenOf(template, 'SegmentTimeline'))[0]
  const isAddressed = timeline
    ? /\$Time(%\d+d)?\$|\$Number/.test(media)
    : media.includes('$Number') && Number(attribute('duration')) > 0
  findings.expect(isAddressed, 'dash-attributes', () => `the template of ${id} is ${media}`)
  if (timeline) checkTimeline(timeline, Number(attribute('timescale') ?? 1), id, findings)
}

function inherited(templates: readonly XmlElement[]): (name: string) => string | undefined {
  return (name) => templates.map(({ attributes }) => attributes.get(name)).find((value) => value !== undefined)
}

/** §5.3.9.6: in order, without overlaps. */
function checkTimeline(timeline: XmlElement, timescale: number, id: string, findings: Findings): void {
  let end = Number.NEGATIVE_INFINITY
  for (const { attributes } of childrenOf(timeline, 'S')) {
    const [start, duration, repeat] = [attributes.get('t'), attributes.get('d'), attributes.get('r')]
    const from = start === undefined ? Math.max(end, 0) : Number(start)
    const isKept = Number(duration) > 0 && (repeat === undefined || Number.isInteger(Number(repeat)))
    findings.expect(isKept, 'dash-timeline', () => `${id} has a segment of ${duration}, repeated ${repeat}`)
    const isInOrder = from >= end - ROUNDING_S * timescale
    findings.expect(isInOrder, 'dash-timeline', () => `${id} has a segment at ${from}, before ${end}`)
    end = from + Number(duration) * (1 + Math.max(0, Number(repeat ?? 0)))
  }
}
