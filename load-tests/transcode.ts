import { fileURLToPath } from 'node:url'
import type { Scope } from '../src/lib/scope.ts'
import { type Ladder, loadLadder } from '../src/transcode/ladder.ts'
import { publishFile } from '../test/support/ffmpeg.ts'
import { startHeadend } from '../test/support/headend.ts'
import { BareFfmpeg } from './bare-ffmpeg.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { type Measurement, measure } from './measure.ts'
import { fragmentedFile, longFile } from './media-source.ts'
import type { LoadOptions } from './options.ts'
import { interleave, median } from './statistics.ts'
import { checkStream, sumOfMetric } from './stream-check.ts'
import { figure } from './table.ts'

type Side = 'headend' | 'ffmpeg'
type Run = Pick<LoadOptions, 'isQuick' | 'warmupSeconds' | 'seconds'>

/** One measurement of one side. */
export type TranscodeSample = Measurement & { readonly side: Side; readonly round: number }

/** Three rungs from a 720p source; two cores carry it beside the publisher. */
const LADDER = 'fast'
const LADDERS = fileURLToPath(new URL('../config/ladders', import.meta.url))
const SOURCE = { width: 1280, height: 720 }
const SEGMENT_SECONDS = 2
const REWIND_SECONDS = 300
/** Headend may cost this much of what ffmpeg alone does. */
const BUDGET_RATIO = 1.05
/** What the source has to last beyond a measurement: the start, and the looking at the end. */
const SPARE_SECONDS = 30
/** Slower than this the machine can't carry the ladder, and the measurement is void. */
const MIN_SPEED = 0.97
const MIN_QUICK_SPEED = 0.3
/** Counters that stay 0 as long as all goes well. (Ingest counts the frame with which ffmpeg primes its AAC, before the first picture.) */
const LOSSES = [
  'headend_transcoder_dropped_frames_total',
  'headend_transcoder_restarts_total',
  'headend_segmenter_gaps_total',
  'headend_segmenter_discontinuities_total',
]
const MEGA = 1e6

/** A live ladder made by Headend, against the same made by ffmpeg alone. */
export async function runTranscode({ options, progress, scope }: LoadContext): Promise<LoadReport> {
  const ladder = await loadLadder(LADDER, [LADDERS])
  const file = await longFile(options.warmupSeconds + options.seconds + SPARE_SECONDS)
  const fragmented = await fragmentedFile(file)
  const samples: TranscodeSample[] = []
  for (const { round, side } of interleave<Side>(['headend', 'ffmpeg'], options.rounds)) {
    const owner = scope()
    try {
      const measured = await (side === 'headend'
        ? measureHeadend(file, options, owner)
        : measureFfmpeg({ ladder, file: fragmented }, options, owner))
      samples.push({ side, round, ...measured })
      progress(`${side}, round ${round + 1}: ${figure(measured.cpuSecondsPerMinute)}`)
    } finally {
      await owner.stop()
    }
  }
  return report(samples, options.isQuick)
}

async function measureHeadend(file: string, run: Run, scope: Scope): Promise<Measurement> {
  const headend = await startHeadend({
    config: { logLevel: 'warn' },
    channel: { encoding: 'standard', ladder: LADDER, segmentDuration: `${SEGMENT_SECONDS}s` },
    program: { rewindWindow: `${REWIND_SECONDS}s` },
  })
  scope.add('headend', async () => void (await headend.stop()))
  const startedMs = performance.now()
  const publisher = publishFile(headend.publishUrl, file)
  scope.add('publisher', async () => void (await publisher.kill()))
  const measured = await measure(headend.pid, run)
  const sentSeconds = (performance.now() - startedMs) / 1_000
  const metrics = await headend.metrics()
  const losses = LOSSES.map((name) => [name, sumOfMetric(metrics, name)] as const).filter(([, count]) => count > 0)
  const slackSegments = run.isQuick ? 3 : 2
  const expected = { segmentSeconds: SEGMENT_SECONDS, sentSeconds, windowSeconds: REWIND_SECONDS, slackSegments }
  const problems = [
    ...losses.map(([name, count]) => `${name} is ${count}`),
    ...(await checkStream(headend.quickstart.hlsUrl, expected)),
  ]
  if (problems.length > 0) throw new Error(`headend: ${problems.join('; ')}\n${headend.output()}`)
  return measured
}

async function measureFfmpeg(
  work: { readonly ladder: Ladder; readonly file: string },
  run: Run,
  scope: Scope,
): Promise<Measurement> {
  const ffmpeg = scope.own('ffmpeg', new BareFfmpeg({ ...work, source: SOURCE, gridSeconds: SEGMENT_SECONDS }))
  const measured = await measure(ffmpeg.pid, run)
  if (ffmpeg.speed < (run.isQuick ? MIN_QUICK_SPEED : MIN_SPEED))
    throw new Error(`ffmpeg alone runs at ${ffmpeg.speed}x: ${ffmpeg.complaints}`)
  return measured
}

function report(samples: readonly TranscodeSample[], isQuick: boolean): LoadReport {
  const of = (side: Side) => samples.filter((sample) => sample.side === side)
  const row = (side: Side, label: string) => {
    const cpu = of(side).map(({ cpuSecondsPerMinute }) => cpuSecondsPerMinute)
    const rss = median(of(side).map(({ rssBytes }) => rssBytes)) / MEGA
    return [label, figure(median(cpu)), `${figure(Math.min(...cpu))}–${figure(Math.max(...cpu))}`, figure(rss)]
  }
  const ratios = of('headend').map(({ round, cpuSecondsPerMinute }) => {
    const alone = of('ffmpeg').find((sample) => sample.round === round)
    return cpuSecondsPerMinute / (alone?.cpuSecondsPerMinute ?? Number.NaN)
  })
  const ratio = median(ratios)
  return {
    title: `transcode: 720p30 at 3 Mbit/s into the ladder "${LADDER}"; medians`,
    header: ['what', 'CPU-s per minute', 'least–most', 'RSS MB'],
    rows: [row('headend', 'headend and its ffmpeg'), row('ffmpeg', 'ffmpeg alone')],
    notes: [`rounds' ratios: ${ratios.map(figure).join(', ')}`],
    verdicts: isQuick
      ? []
      : [{ what: 'CPU against ffmpeg alone', measured: ratio, limit: BUDGET_RATIO, unit: 'times as much' }],
    samples,
  }
}
