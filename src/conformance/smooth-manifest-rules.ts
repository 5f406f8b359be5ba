import { Findings, type Violation } from './violation.ts'
import { readXml, type XmlElement } from './xml-reader.ts'

/** A fragment as a manifest or another fragment tells of it, in ticks of the manifest. */
export type SmoothInterval = { readonly time: bigint; readonly duration: bigint }

/** What a manifest lists of one stream. */
export type SmoothListedStream = {
  readonly name: string
  /** Of messages, each of an instant: they come and go as they are told and taken back. */
  readonly isText: boolean
  readonly bitrates: readonly string[]
  /** In their order. */
  readonly chunks: readonly SmoothInterval[]
}

/** A client manifest as a player reads it. */
export type SmoothReading = {
  readonly live: boolean
  readonly timescale: string
  readonly streams: readonly SmoothListedStream[]
}

/** What a run of chunks may claim to be: nobody is kept busy by a number. */
const MAX_CHUNKS = 1 << 20
const NUMBER = /^\d+$/

/** Checks a client manifest for itself ([MS-SSTR] §2.2.2), and gives what it lists; `undefined` for what is none. */
export function readSmooth(text: string): {
  readonly reading: SmoothReading | undefined
  readonly violations: readonly Violation[]
} {
  const findings = new Findings()
  const root = readXml(text)
  const isManifest = root?.name === 'SmoothStreamingMedia'
  findings.expect(isManifest, 'smooth-syntax', 'it is no well-formed SmoothStreamingMedia')
  if (!isManifest) return { reading: undefined, violations: findings.all }
  const { attributes } = root
  const live = attributes.get('IsLive')?.toUpperCase() === 'TRUE'
  for (const name of ['MajorVersion', 'MinorVersion', 'Duration', ...(live ? ['DVRWindowLength'] : [])]) {
    expectNumber(root, name, findings)
  }
  findings.expect(attributes.get('MajorVersion') === '2', 'smooth-attributes', 'MajorVersion is not 2')
  const indexes = root.children.filter(({ name }) => name === 'StreamIndex')
  const streams = indexes.map((stream) => readStream(stream, findings))
  // A sparse stream (§2.2.2.3) has what happens when it happens, or is announced: it has no window, and lasts no time.
  const media = streams.filter((_, at) => !indexes[at]?.attributes.has('ParentStreamIndex'))
  findings.expect(streams.length > 0, 'smooth-attributes', 'there is no StreamIndex')
  const isNamedOnce = new Set(streams.map(({ name }) => name)).size === streams.length
  findings.expect(isNamedOnce, 'smooth-attributes', 'two streams have one name')
  if (!live) checkDuration(root, streams, findings)
  const timescale = attributes.get('TimeScale') ?? '10000000'
  return { reading: { live, timescale, streams: media }, violations: findings.all }
}

/**
 * Checks what a player that has the live manifest `before` finds when it loads `after`: fragments that both list are the same, none is
 * new among them, and while it is live the window moves forward alone. Nobody reloads what has ended: it may be replaced as a whole.
 */
export function checkSmoothReload(before: SmoothReading, after: SmoothReading): readonly Violation[] {
  const findings = new Findings()
  if (!before.live) return findings.all
  const isSameScale = before.timescale === after.timescale
  findings.expect(isSameScale, 'smooth-reload', `TimeScale was ${before.timescale} and is ${after.timescale}`)
  for (const stream of after.streams) {
    // A stream of the same name may be of other renditions, whose fragments are others.
    const old = before.streams.find(({ name, bitrates }) => name === stream.name && bitrates[0] === stream.bitrates[0])
    if (old && !stream.isText) checkStreamReload(old, stream, after.live, findings)
  }
  return findings.all
}

function checkStreamReload(
  old: SmoothListedStream,
  now: SmoothListedStream,
  isLive: boolean,
  findings: Findings,
): void {
  const [oldFirst, oldLast, first, last] = [old.chunks[0], old.chunks.at(-1), now.chunks[0], now.chunks.at(-1)]
  if (!oldFirst || !oldLast || !first || !last) return
  const isForward = !isLive || (first.time >= oldFirst.time && last.time >= oldLast.time)
  findings.expect(isForward, 'smooth-reload', () => {
    return `${now.name} went from ${oldFirst.time}–${oldLast.time} back to ${first.time}–${last.time}`
  })
  const from = first.time > oldFirst.time ? first.time : oldFirst.time
  const to = last.time < oldLast.time ? last.time : oldLast.time
  const common = ({ chunks }: SmoothListedStream) => chunks.filter(({ time }) => time >= from && time <= to)
  const [was, is] = [common(old), common(now)]
  const other = Array.from({ length: Math.max(was.length, is.length) }, (_, at) => at).find(
    (at) => was[at]?.time !== is[at]?.time || was[at]?.duration !== is[at]?.duration,
  )
  findings.expect(other === undefined, 'smooth-reload', () => {
    const [one, two] = [was, is].map((list) => list[other ?? 0])
    return `${now.name} had a fragment at ${one?.time} of ${one?.duration}, and has one at ${two?.time} of ${two?.duration}`
  })
}

function readStream(stream: XmlElement, findings: Findings): SmoothListedStream {
  const { attributes, children } = stream
  const name = attributes.get('Name') ?? attributes.get('Type') ?? ''
  const isText = attributes.get('Type') === 'text'
  const isKnown = isText || ['video', 'audio'].includes(attributes.get('Type') ?? '')
  findings.expect(isKnown, 'smooth-attributes', `a stream of Type ${attributes.get('Type')}`)
  const levels = children.filter((child) => child.name === 'QualityLevel')
  for (const level of levels) {
    expectNumber(level, 'Bitrate', findings)
    if (isText) continue
    for (const field of ['FourCC', 'CodecPrivateData']) {
      const isThere = level.attributes.has(field)
      findings.expect(isThere, 'smooth-attributes', `QualityLevel@${field} is missing in ${name}`)
    }
  }
  const bitrates = levels.map((level) => level.attributes.get('Bitrate') ?? '')
  const isOneEach = levels.length > 0 && new Set(bitrates).size === levels.length
  findings.expect(isOneEach, 'smooth-attributes', `${name} has quality levels of ${bitrates.join()}`)
  const url = attributes.get('Url') ?? ''
  const isAddressed = /\{bitrate\}/i.test(url) && /\{start[ _]time\}/i.test(url)
  findings.expect(isAddressed, 'smooth-attributes', `the Url of ${name} is ${url}`)
  const chunks = expand(
    children.filter((child) => child.name === 'c'),
    name,
    findings,
  )
  expectCount(stream, 'QualityLevels', levels.length, findings)
  expectCount(stream, 'Chunks', chunks.length, findings)
  return { name, isText, bitrates, chunks }
}

/** §2.2.2.6: `r` counts from one, and a `c` without `t` follows the one before it. */
function expand(elements: readonly XmlElement[], name: string, findings: Findings): SmoothInterval[] {
  const chunks: SmoothInterval[] = []
  let end: bigint | undefined
  for (const { attributes } of elements) {
    const [t, d, r = '1'] = [attributes.get('t'), attributes.get('d'), attributes.get('r')]
    const isWhole = (t === undefined ? end !== undefined : NUMBER.test(t)) && NUMBER.test(d ?? '') && NUMBER.test(r)
    const count = Number(r)
    const isUsual = isWhole && Number(d) > 0 && count > 0 && chunks.length + count <= MAX_CHUNKS
    findings.expect(isUsual, 'smooth-chunks', () => `${name} has a chunk at ${t} of ${d}, ${r} times`)
    if (!isUsual) return chunks
    let time: bigint = t === undefined ? (end ?? 0n) : BigInt(t)
    const isInOrder = end === undefined || time >= end
    findings.expect(isInOrder, 'smooth-chunks', `${name} has a chunk at ${time}, before the end of the last at ${end}`)
    for (let at = 0; at < count; at++) {
      chunks.push({ time, duration: BigInt(d ?? 0) })
      time += BigInt(d ?? 0)
    }
    end = time
  }
  return chunks
}

/** What has ended lasts from the first fragment of pictures or sound to the end of the last. */
function checkDuration({ attributes }: XmlElement, streams: readonly SmoothListedStream[], findings: Findings): void {
  const stated = BigInt(attributes.get('Duration')?.match(NUMBER)?.[0] ?? 0)
  const media = streams.filter(({ isText }) => !isText)
  const listed = media.flatMap(({ chunks }) => [chunks[0], chunks.at(-1)]).filter((chunk) => chunk !== undefined)
  const start = listed.reduce((least, { time }) => (time < least ? time : least), listed[0]?.time ?? 0n)
  const end = listed.reduce((most, { time, duration }) => (time + duration > most ? time + duration : most), 0n)
  const isSum = listed.length === 0 || stated === end - start
  findings.expect(isSum, 'smooth-chunks', () => `Duration is ${stated}, and fragments last ${end - start}`)
}

function expectNumber({ name, attributes }: XmlElement, field: string, findings: Findings): void {
  const text = attributes.get(field)
  findings.expect(NUMBER.test(text ?? ''), 'smooth-attributes', `${name}@${field} is ${text}`)
}

/** They are optional, and true where they stand. */
function expectCount({ attributes }: XmlElement, field: string, count: number, findings: Findings): void {
  const text = attributes.get(field)
  findings.expect(text === undefined || Number(text) === count, 'smooth-chunks', `${field} is ${text}, not ${count}`)
}
