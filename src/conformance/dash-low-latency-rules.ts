import type { Findings } from './violation.ts'
import type { XmlElement } from './xml-reader.ts'

/** Nominal times are told in different units: so much may come together, in seconds. */
const ROUNDING_S = 0.002

/** A template by number of one representation in one period, as far as it says when segments can be asked for. */
export type CountedTemplate = {
  readonly id: string
  readonly periodStartS: number
  /** Its own attribute, or that of what it inherits from. */
  readonly attribute: (name: string) => string | undefined
  readonly set: XmlElement
}

/**
 * Checks a template whose segments can be asked for while they are written (ISO/IEC 23009-1 §5.3.9.5.3, DASH-IF "Low-latency Modes for DASH"): from
 * when on, by which clock, and that their nominal times are those of the media.
 */
export function checkCounted(mpd: XmlElement, template: CountedTemplate, findings: Findings): void {
  const { id, attribute, set, periodStartS } = template
  if (attribute('availabilityTimeComplete') !== 'false') return
  const number = (name: string) => Number(attribute(name) ?? Number.NaN)
  const timescale = Number(attribute('timescale') ?? 1)
  const durationS = number('duration') / timescale
  const expect = (isKept: boolean, detail: string) => findings.expect(isKept, 'dash-low-latency', `${id}: ${detail}`)
  const offset = number('availabilityTimeOffset')
  expect(offset > 0 && offset < durationS, `availabilityTimeOffset is ${offset} of ${durationS} s`)
  const isCounted = /\$Number(%\d+d)?\$/.test(attribute('media') ?? '')
  expect(isCounted && number('startNumber') >= 0, 'an open segment has no duration to be listed with')
  const mediaS = number('presentationTimeOffset') / timescale
  const isOnGrid = Math.abs(mediaS - number('startNumber') * durationS) <= ROUNDING_S
  expect(isOnGrid && Math.abs(mediaS - periodStartS) <= ROUNDING_S, `number ${number('startNumber')} is at ${mediaS} s`)
  const references = set.children.filter(({ name }) => name === 'ProducerReferenceTime')
  expect(references.length > 0, 'no ProducerReferenceTime')
  for (const { attributes } of references) {
    const wallS = Date.parse(attributes.get('wallClockTime') ?? '') / 1_000
    const isKept = attributes.has('id') && Number.isFinite(wallS) && Number(attributes.get('presentationTime')) >= 0
    expect(isKept, `its wall clock is ${attributes.get('wallClockTime')}`)
  }
  checkService(mpd, new Set(references.map(({ attributes }) => attributes.get('id'))), expect)
}

/** Annex K: a target that lies between its bounds, measured by a clock that there is. */
function checkService(
  mpd: XmlElement,
  references: ReadonlySet<string | undefined>,
  expect: (isKept: boolean, detail: string) => void,
): void {
  const service = mpd.children.find(({ name }) => name === 'ServiceDescription')
  const of = (name: string) => service?.children.find((child) => child.name === name)?.attributes
  const [latency, rate] = [of('Latency'), of('PlaybackRate')]
  const [min, target, max] = ['min', 'target', 'max'].map((name) => Number(latency?.get(name)))
  const isKept = (min ?? Number.NaN) <= (target ?? Number.NaN) && (target ?? Number.NaN) <= (max ?? Number.NaN)
  expect(isKept, `a latency of ${target} ms between ${min} and ${max}`)
  expect(references.has(latency?.get('referenceId')), `no clock is called ${latency?.get('referenceId')}`)
  const isSlower = Number(rate?.get('min')) <= 1 && Number(rate?.get('max')) >= 1
  expect(isSlower, `it plays at ${rate?.get('min')} to ${rate?.get('max')}`)
}

/** Segments that are counted keep their numbers from one MPD to the next, as long as their period lasts. */
export function checkCountedReload(before: XmlElement, after: XmlElement, findings: Findings): void {
  const known = countedOf(before)
  for (const [id, text] of countedOf(after)) {
    const was = known.get(id)
    findings.expect(
      was === undefined || was === text,
      'dash-reload',
      () => `${id} counted by ${was} and now by ${text}`,
    )
  }
}

function countedOf(mpd: XmlElement): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const walk = (element: XmlElement, path: string) => {
    for (const child of element.children) {
      const { attributes } = child
      const at = `${path}/${child.name}-${attributes.get('id') ?? ''}`
      if (child.name === 'SegmentTemplate' && attributes.get('availabilityTimeComplete') === 'false') {
        found.set(at, ['startNumber', 'duration', 'timescale', 'media'].map((name) => attributes.get(name)).join(' '))
      } else walk(child, at)
    }
  }
  walk(mpd, '')
  return found
}
