import fc from 'fast-check'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, PresentationHeader } from '../../../src/presentation/records.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from '../presentation/sample-log.ts'

/** What happens to a presentation next. */
export type Step =
  | { readonly type: 'segment'; readonly frames: number; readonly missing: number; readonly independent: boolean }
  | { readonly type: 'gap'; readonly amount: number }
  | { readonly type: 'discontinuity'; readonly amount: number }
  | { readonly type: 'evict'; readonly amount: number }
  | { readonly type: 'change'; readonly rendition: number }
  /** The media of `amount` segments, of which `back` others are newer. */
  | { readonly type: 'lose'; readonly amount: number; readonly back: number }

const RENDITIONS = ['video-1', 'video-2', 'audio-1']
/** NTSC: no frame but every thousandth is at a whole number of milliseconds. */
export const FRAME_TICKS = 3_003

const segment: fc.Arbitrary<Step> = fc.record({
  type: fc.constant('segment' as const),
  frames: fc.integer({ min: 15, max: 74 }),
  missing: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
  independent: fc.boolean(),
})

const events: readonly fc.Arbitrary<Step>[] = [
  stepOf('gap'),
  stepOf('discontinuity'),
  stepOf('evict'),
  fc.record({ type: fc.constant('change' as const), rendition: fc.nat({ max: 2 }) }),
]

const loss: fc.Arbitrary<Step> = fc.record({
  type: fc.constant('lose' as const),
  amount: fc.integer({ min: 1, max: 5 }),
  back: fc.nat({ max: 30 }),
})

/** Scripts of up to 40 steps in which nothing that was there is lost. */
export const steps: fc.Arbitrary<readonly Step[]> = fc.array(mixOf(8, events), { minLength: 1, maxLength: 40 })

/** Scripts with losses; `segmentWeight` to 1 of every other kind of step. */
export function lossySteps(segmentWeight: number, maxLength: number): fc.Arbitrary<readonly Step[]> {
  return fc.array(mixOf(segmentWeight, [...events, loss]), { minLength: Math.floor(maxLength / 2), maxLength })
}

/** Windows from one second on. */
export const headers: fc.Arbitrary<PresentationHeader> = fc
  .option(fc.integer({ min: 1_000, max: 30_000 }), { nil: undefined })
  .map((rewindWindowMs) => ({ ...sampleHeader, ...(rewindWindowMs === undefined ? {} : { rewindWindowMs }) }))

function mixOf(segmentWeight: number, others: readonly fc.Arbitrary<Step>[]): fc.Arbitrary<Step> {
  return fc.oneof(
    { weight: segmentWeight, arbitrary: segment },
    ...others.map((arbitrary) => ({ weight: 1, arbitrary })),
  )
}

function stepOf<T extends 'gap' | 'discontinuity' | 'evict'>(type: T) {
  return fc.record({ type: fc.constant(type), amount: fc.integer({ min: 1, max: 20 }) })
}

/** Writes the log of a script, whose media obeys a target duration of 2 s. */
class ScriptedLog {
  readonly log: SampleLog
  #nextTrack = 4
  #first = 0

  constructor(header: PresentationHeader) {
    this.log = new SampleLog(header)
      .add(videoTrack(1, 'video-1'))
      .add(videoTrack(2, 'video-2'))
      .add(audioTrack(3, 'audio-1'))
  }

  take(step: Step): void {
    const { log } = this
    if (step.type === 'segment') {
      const without = RENDITIONS.filter((_, index) => (step.missing >> index) & 1)
      log.segment(step.frames * FRAME_TICKS, { without, independent: step.independent })
    } else if (step.type === 'gap') log.gap(step.amount * 9_000)
    else if (step.type === 'discontinuity') log.discontinuity(step.amount * 10_007)
    else if (step.type === 'evict') {
      this.#first = Math.min(log.nextSequence, this.#first + step.amount)
      log.evict(this.#first)
    } else if (step.type === 'lose') this.#lose(step.amount, step.back)
    else this.#change(RENDITIONS[step.rendition] ?? '')
  }

  #lose(amount: number, back: number): void {
    const end = Math.max(this.#first, this.log.nextSequence - back)
    const first = Math.max(this.#first, end - amount)
    if (first < end) this.log.lose(first, end)
  }

  #change(name: string): void {
    const track = this.#nextTrack++
    this.log.discontinuity()
    this.log.add(name === 'audio-1' ? audioTrack(track, name, { timescale: 44_100 }) : videoTrack(track, name))
  }
}

/** The log of these steps; `ends`: and its end, `archived`: also what comes after it. */
export function logOf(
  header: PresentationHeader,
  script: readonly Step[],
  ends: boolean | 'archived',
): readonly LogRecord[] {
  const scripted = new ScriptedLog(header)
  for (const step of script) scripted.take(step)
  if (ends) scripted.log.end()
  if (ends === 'archived') scripted.log.archive()
  return scripted.log.records
}

/** Calls `visit` with the view after every record that changed it. */
export function eachVersion(
  header: PresentationHeader,
  records: readonly LogRecord[],
  visit: (view: Presentation) => void,
): void {
  const presentation = new Presentation(header)
  let version = -1
  for (const record of records) {
    presentation.apply(record)
    if (presentation.version !== version) visit(presentation)
    version = presentation.version
  }
}
