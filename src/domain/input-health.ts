import { z } from 'zod'

/**
 * What was measured of an input over the last few seconds. A value that is not known is left out, and then nothing is
 * said about it.
 */
export type IngestMeasurement = {
  /** Since the last media arrived. */
  readonly silenceMs: number
  /** The longest GOP that ended in the window, or the one still open if that is longer. */
  readonly gopMs?: number
  /** What the encoder was meant to be set to. */
  readonly declaredGopMs: number
  /** Since the last key frame arrived; grows while there is none. */
  readonly keyFrameAgeMs?: number
  readonly bitsPerSecond?: number
  /** As the encoder stated it. */
  readonly declaredBitsPerSecond?: number
  readonly framesPerSecond?: number
  /** As the encoder stated it. */
  readonly declaredFramesPerSecond?: number
  /** How far the media stands ahead of (positive) or behind the wall clock. */
  readonly driftMs?: number
  /** In the window. */
  readonly timestampJumps: number
  /** In the window. */
  readonly framesReceived: number
  /** In the window. */
  readonly framesDropped: number
}

type Criterion = {
  /** The measure; `undefined` where it can't be told. The worse, the larger. */
  readonly measure: (measurement: IngestMeasurement) => number | undefined
  /** Bad from this on. */
  readonly raiseAt: number
  /** Well again at or under this; between the two nothing changes. */
  readonly clearAt: number
  /** How long it has to be bad before it is told. */
  readonly raiseAfterMs: number
  /** How long it has to be well before it is withdrawn. */
  readonly clearAfterMs: number
  readonly sentence: (measurement: IngestMeasurement) => string
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
const kilobits = (bits: number) => `${Math.round(bits / 1_000)} kbit/s`

/** By how much a measure falls short of what was declared, 0 to 1. */
function shortfall(actual: number | undefined, declared: number | undefined): number | undefined {
  return actual === undefined || !declared ? undefined : 1 - actual / declared
}

const whileFed = (measurement: IngestMeasurement, value: number | undefined) =>
  measurement.silenceMs >= SILENCE_MS ? undefined : value

const SILENCE_MS = 3_000

const criteria = {
  'no-media': {
    measure: ({ silenceMs }) => silenceMs,
    raiseAt: SILENCE_MS,
    clearAt: 1_000,
    raiseAfterMs: 0,
    clearAfterMs: 2_000,
    sentence: ({ silenceMs }) =>
      `Nothing has arrived from the encoder for ${seconds(silenceMs)}. Check that it is sending, and its network.`,
  },
  'key-frames-missing': {
    measure: (m) => whileFed(m, m.keyFrameAgeMs === undefined ? undefined : m.keyFrameAgeMs / m.declaredGopMs),
    raiseAt: 4,
    clearAt: 2,
    raiseAfterMs: 0,
    clearAfterMs: 10_000,
    sentence: ({ keyFrameAgeMs = 0, declaredGopMs }) =>
      `There has been no key frame for ${seconds(keyFrameAgeMs)}. Set the encoder to one every ${seconds(declaredGopMs)}.`,
  },
  'gop-too-long': {
    measure: (m) => whileFed(m, m.gopMs === undefined ? undefined : m.gopMs / m.declaredGopMs),
    raiseAt: 1.5,
    clearAt: 1.2,
    raiseAfterMs: 4_000,
    clearAfterMs: 10_000,
    sentence: ({ gopMs = 0, declaredGopMs }) =>
      `Key frames come every ${seconds(gopMs)} where ${seconds(declaredGopMs)} are expected. Set the encoder’s key frame interval accordingly.`,
  },
  'bitrate-starved': {
    measure: (m) => whileFed(m, shortfall(m.bitsPerSecond, m.declaredBitsPerSecond)),
    raiseAt: 0.5,
    clearAt: 0.3,
    raiseAfterMs: 10_000,
    clearAfterMs: 10_000,
    sentence: ({ bitsPerSecond = 0, declaredBitsPerSecond = 0 }) =>
      `Only ${kilobits(bitsPerSecond)} of the declared ${kilobits(declaredBitsPerSecond)} arrive. The encoder’s uplink may be too slow.`,
  },
  'frame-rate-low': {
    measure: (m) => whileFed(m, shortfall(m.framesPerSecond, m.declaredFramesPerSecond)),
    raiseAt: 0.2,
    clearAt: 0.1,
    raiseAfterMs: 5_000,
    clearAfterMs: 10_000,
    sentence: ({ framesPerSecond = 0, declaredFramesPerSecond = 0 }) =>
      `Only ${framesPerSecond.toFixed(1)} of ${declaredFramesPerSecond.toFixed(1)} frames per second arrive. The encoder may be overloaded.`,
  },
  drift: {
    measure: (m) => whileFed(m, m.driftMs === undefined ? undefined : Math.abs(m.driftMs)),
    raiseAt: 1_000,
    clearAt: 500,
    raiseAfterMs: 5_000,
    clearAfterMs: 10_000,
    sentence: ({ driftMs = 0 }) =>
      driftMs > 0
        ? `The encoder’s clock runs ${seconds(driftMs)} ahead of the server’s. Check that both use NTP.`
        : `The media arrives ${seconds(-driftMs)} late. The network may be congested, or the encoder’s clock slow.`,
  },
  'timestamps-jumping': {
    measure: ({ timestampJumps }) => timestampJumps,
    raiseAt: 1,
    clearAt: 0,
    raiseAfterMs: 0,
    clearAfterMs: 30_000,
    sentence: ({ timestampJumps }) =>
      `The encoder’s timestamps jumped ${timestampJumps === 1 ? 'once' : `${timestampJumps} times`} of late; viewers see a break each time. Restart the encoder if it goes on.`,
  },
  'frames-dropped': {
    measure: (m) => (m.framesReceived === 0 ? undefined : m.framesDropped / m.framesReceived),
    raiseAt: 0.01,
    clearAt: 0,
    raiseAfterMs: 0,
    clearAfterMs: 10_000,
    sentence: ({ framesDropped, framesReceived }) =>
      `${framesDropped} of the last ${framesReceived} frames had no place and were dropped. The encoder sends them late or twice, or this server is too slow.`,
  },
} as const satisfies Readonly<Record<string, Criterion>>

/** Why an input is degraded; stable, to be matched on. */
export type HealthReason = keyof typeof criteria

/** Every reason, the most telling first. */
export const healthReasons = Object.keys(criteria) as [HealthReason, ...HealthReason[]]

/** How an input is, as the API and events tell it. */
export const inputHealthSchema = z
  .strictObject({
    status: z.enum(['good', 'degraded']),
    reasons: z.array(
      z.strictObject({
        code: z.enum(healthReasons),
        detail: z.string().meta({ description: 'What is wrong and what to do about it.' }),
      }),
    ),
  })
  .meta({
    description: 'How the input is, in an operator’s words.',
    example: {
      status: 'degraded',
      reasons: [{ code: 'gop-too-long', detail: 'Key frames come every 5.0 s where 2.0 s are expected.' }],
    },
  })

/** How an input is. */
export type InputHealth = z.output<typeof inputHealthSchema>

/** One of a channel's inputs while somebody publishes by it; `active`: viewers see what comes by it. */
export type InputStatus = {
  readonly input: 'primary' | 'secondary'
  readonly active: boolean
  readonly health: InputHealth
}

type Mark = { readonly raised: boolean; readonly detail: string; readonly turningSinceMs?: number }

/** What has to be remembered from one assessment to the next. */
export type HealthMemory = { readonly [Reason in HealthReason]?: Mark }

/** One criterion's step: a turn, to the bad or the good, counts when it has lasted. */
function judge(criterion: Criterion, measurement: IngestMeasurement, before: Mark, nowMs: number): Mark {
  const value = criterion.measure(measurement)
  // What can't be told neither raises nor clears, unless silence explains it: that has a reason of its own.
  if (value === undefined) return { raised: before.raised, detail: before.detail }
  const detail = before.raised && value <= criterion.clearAt ? before.detail : criterion.sentence(measurement)
  const isTurning = before.raised ? value <= criterion.clearAt : value >= criterion.raiseAt
  if (!isTurning) return { raised: before.raised, detail }
  const turningSinceMs = before.turningSinceMs ?? nowMs
  const neededMs = before.raised ? criterion.clearAfterMs : criterion.raiseAfterMs
  return nowMs - turningSinceMs >= neededMs
    ? { raised: !before.raised, detail }
    : { raised: before.raised, detail, turningSinceMs }
}

/**
 * How an input is, from what was measured and what was said before, so that it does not flap: each reason has a level and a
 * time to be raised at, and others to be withdrawn at. Begin with an empty memory when an encoder connects. `nowMs` is of
 * any clock that never goes back.
 */
export function assessInput(
  memory: HealthMemory,
  measurement: IngestMeasurement,
  nowMs: number,
): { readonly memory: HealthMemory; readonly health: InputHealth } {
  const well: Mark = { raised: false, detail: '' }
  const marks = healthReasons.map((code) => ({
    code,
    mark: judge(criteria[code], measurement, memory[code] ?? well, nowMs),
  }))
  const reasons = marks.filter(({ mark }) => mark.raised).map(({ code, mark }) => ({ code, detail: mark.detail }))
  return {
    memory: Object.fromEntries(marks.map(({ code, mark }) => [code, mark])),
    health: { status: reasons.length === 0 ? 'good' : 'degraded', reasons },
  }
}
