import type { MarkerKind } from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { MarkerNews } from './markers-news.ts'
import { spliceNews } from './markers-scte35.ts'

/** A data message of an encoder whose time has a place on the timeline. */
export type PlacedCue = {
  readonly name: string
  readonly value: unknown
  /** Its timestamp on the encoder's clock, ms. */
  readonly sentMs: number
  /** The same instant, ms since the epoch. */
  readonly epochMs: number
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** A `time` that is further from when it was said than this is of another clock: what counts then is when it was said. */
const MAX_BEHIND_MS = 10_000
const MAX_AHEAD_MS = 600_000
const MAX_VALUES = 32
const MAX_VALUES_BYTES = 3_000
const MAX_KEY = 64
const MAX_DEPTH = 3
const OUT = /^splice[-_ ]?out$/i
const IN = /^splice[-_ ]?in$/i

/**
 * What an encoder's data message says of markers: `onAdCue` (a break, or SCTE-35 in base64), `onCuePoint`, `onTextData`,
 * `onCaptionInfo` and `onUserDataEvent`; nothing for any other. @throws FormatError for SCTE-35 that is none
 */
export function cueNews(cue: PlacedCue): MarkerNews[] {
  const fields = fieldsOf(cue.value)
  switch (cue.name) {
    case 'onAdCue':
      return adCueNews(cue, fields)
    case 'onCuePoint':
      return cuePointNews(cue, fields)
    case 'onTextData':
    case 'onCaptionInfo':
      return [minorNews(cue, 'text', fields)]
    case 'onUserDataEvent':
      return [minorNews(cue, /id3/i.test(textOf(fields['type'])) ? 'id3' : 'cue', fields)]
    default:
      return []
  }
}

/** `id`, `cue`, `type`, `time`, `duration`, `elapsed`: seconds. */
function adCueNews(cue: PlacedCue, fields: Record<string, unknown>): MarkerNews[] {
  const message = textOf(fields['cue'])
  const startTicks = startOf(cue, fields)
  const planned = ticksOf(fields['duration'])
  const plannedTicks = planned === undefined ? {} : { plannedTicks: planned }
  if (OUT.test(message)) {
    const id = idOf(fields['id']) ?? `break-${startTicks}`
    return [{ type: 'begin', id, kind: 'ad-break', startTicks, ...plannedTicks, ...(planned && { autoReturn: true }) }]
  }
  if (IN.test(message)) {
    const id = idOf(fields['id'])
    return [{ type: 'end', endTicks: startTicks, ...(id !== undefined && { id }) }]
  }
  if (/scte-?35/i.test(textOf(fields['type']))) {
    return spliceNews(Uint8Array.from(Buffer.from(message, 'base64')), { startTicks, ...plannedTicks })
  }
  return [minorNews(cue, 'cue', fields)]
}

/** `name`, `time`, `type` and `parameters`; a break where the name says so. */
function cuePointNews(cue: PlacedCue, fields: Record<string, unknown>): MarkerNews[] {
  const name = [fields['name'], fields['type']].map(textOf).find((text) => OUT.test(text) || IN.test(text))
  if (name === undefined) return [minorNews(cue, 'cue', fields)]
  const parameters = fieldsOf(fields['parameters'])
  return adCueNews(cue, { ...parameters, ...fields, cue: name })
}

function minorNews(cue: PlacedCue, kind: MarkerKind, fields: Record<string, unknown>): MarkerNews {
  const startTicks = startOf(cue, fields)
  const values = flat(fields)
  const id = idOf(fields['id']) ?? `${cue.name}-${startTicks}-${idOf(values['name']) ?? ''}`.replace(/-$/, '')
  return { type: 'begin', id, kind, startTicks, values: { message: cue.name, ...values } }
}

/** `time` is of the encoder's clock, as the timestamps of its media are. */
function startOf({ sentMs, epochMs }: PlacedCue, { time }: Record<string, unknown>): number {
  const aheadMs = typeof time === 'number' && Number.isFinite(time) ? time * 1_000 - sentMs : 0
  const isNear = aheadMs >= -MAX_BEHIND_MS && aheadMs <= MAX_AHEAD_MS
  return Math.round((epochMs + (isNear ? aheadMs : 0)) * TICKS_PER_MS)
}

function ticksOf(seconds: unknown): number | undefined {
  const isLength = typeof seconds === 'number' && seconds > 0 && seconds <= 86_400
  return isLength ? Math.round(seconds * PRESENTATION_TIMESCALE) : undefined
}

function idOf(value: unknown): string | undefined {
  const text = textOf(value)
    .replace(/[^A-Za-z0-9._:-]+/g, '-')
    .slice(0, MAX_KEY)
  return text === '' ? undefined : text
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function fieldsOf(value: unknown): Record<string, unknown> {
  const first: unknown = Array.isArray(value) ? value.find((each) => typeof each === 'object' && each !== null) : value
  if (typeof first === 'string') return { text: first }
  return typeof first === 'object' && first !== null && !(first instanceof Uint8Array) ? { ...first } : {}
}

/** Nested values under names with dots, as many as a marker may hold. */
function flat(fields: Record<string, unknown>): Record<string, string> {
  const values: Record<string, string> = {}
  let leftBytes = MAX_VALUES_BYTES
  const add = (prefix: string, from: object, depth: number): void => {
    for (const [name, value] of Object.entries(from)) {
      const key = `${prefix}${name.replace(/[^A-Za-z0-9_-]+/g, '-')}`.slice(0, MAX_KEY)
      const isNested = typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
      if (isNested && depth < MAX_DEPTH) add(`${key}.`, value, depth + 1)
      const text = scalarText(value)
      if (text === undefined || Object.keys(values).length >= MAX_VALUES) continue
      leftBytes -= Buffer.byteLength(key) + Buffer.byteLength(text)
      if (leftBytes < 0) return
      values[key] = text
    }
  }
  add('', fields, 1)
  return values
}

function scalarText(value: unknown): string | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
}
