import type { Scope } from '../src/lib/scope.ts'
import { headendSide, type IngestSide, nodeMediaServerSide } from './ingest-sides.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { measure } from './measure.ts'
import { loopFile } from './media-source.ts'
import { Publishers, type StreamReport } from './publishers.ts'
import { interleave, median } from './statistics.ts'
import { figure, type Verdict } from './table.ts'

/** One measurement of one server. */
export type IngestSample = {
  readonly side: string
  readonly streams: number
  readonly round: number
  readonly cpuPerStreamMinute: number
  readonly rssBytes: number
  readonly heldBytes: number
}

/** The number of streams that the budget speaks of. */
const BUDGET_STREAMS = 30
/** Fewer streams are shown for orientation, and measured for no longer than this. */
const SHORT_SECONDS = 20
const SHORT_WARMUP_SECONDS = 5
const RSS_ALLOWANCE_BYTES = 200e6
/** A publisher that is later than this was short of processor time itself, and the measurement is void. */
const MAX_LATE_MS = 1_500
const MAX_PROBLEMS = 5
const MEGA = 1e6
const SEEN_ELSEWHERE = 'seen elsewhere: node-media-server 0.195, SRS with HLS 0.164, nginx-rtmp with HLS 0.154'

/** Pass-through streams pushed to Headend and to node-media-server by the same encoders. */
export async function runRtmpIngest({ options, progress, scope }: LoadContext): Promise<LoadReport> {
  const file = await loopFile()
  const samples: IngestSample[] = []
  for (const streams of options.streams) {
    const isShort = streams !== BUDGET_STREAMS
    const times = {
      warmupSeconds: Math.min(options.warmupSeconds, isShort ? SHORT_WARMUP_SECONDS : Number.POSITIVE_INFINITY),
      seconds: Math.min(options.seconds, isShort ? SHORT_SECONDS : Number.POSITIVE_INFINITY),
    }
    for (const { round, side } of interleave([headendSide, nodeMediaServerSide], options.rounds)) {
      const maxLateMs = options.isQuick ? Number.POSITIVE_INFINITY : MAX_LATE_MS
      const sample = await takeSample(side, { streams, round, file, times, maxLateMs }, scope())
      samples.push(sample)
      progress(`${side.name}, ${streams} streams, round ${round + 1}: ${figure(sample.cpuPerStreamMinute)}`)
    }
  }
  return report(samples, options.isQuick)
}

async function takeSample(
  side: IngestSide,
  run: {
    readonly streams: number
    readonly round: number
    readonly file: string
    readonly times: { readonly warmupSeconds: number; readonly seconds: number }
    readonly maxLateMs: number
  },
  scope: Scope,
): Promise<IngestSample> {
  const { streams, round, file, times } = run
  try {
    const server = await side.start(streams)
    scope.add(side.name, async () => void (await server.stop()))
    const publishers = scope.own('publishers', new Publishers())
    await publishers.publish({ host: '127.0.0.1', port: server.port, names: server.names, file })
    const { cpuSecondsPerMinute, rssBytes } = await measure(server.pid, times)
    const heldBytes = await server.heldBytes()
    const sent = await publishers.report()
    const problems = [...publisherProblems(sent, run.maxLateMs), ...(await server.problems(sent))]
    if (problems.length > 0) throw new Error(`${side.name} with ${streams} streams: ${summary(problems)}`)
    return {
      side: side.name,
      streams,
      round,
      cpuPerStreamMinute: cpuSecondsPerMinute / streams,
      rssBytes,
      heldBytes,
    }
  } finally {
    await scope.stop()
  }
}

/** Thirty streams have thirty times the same problem. */
function summary(problems: readonly string[]): string {
  const more = problems.length - MAX_PROBLEMS
  return problems.slice(0, MAX_PROBLEMS).join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function publisherProblems(streams: readonly StreamReport[], maxLateMs: number): string[] {
  const cut = streams.filter(({ isPublishing }) => !isPublishing).length
  const latestMs = Math.max(...streams.map((stream) => stream.latestMs))
  const late = latestMs > maxLateMs ? [`the publishers were ${Math.round(latestMs)} ms late`] : []
  return cut === 0 ? late : [...late, `${cut} publishers were cut off`]
}

function report(samples: readonly IngestSample[], isQuick: boolean): LoadReport {
  const counts = [...new Set(samples.map(({ streams }) => streams))]
  const of = (side: IngestSide, streams: number) =>
    samples.filter((sample) => sample.side === side.name && sample.streams === streams)
  const rows = counts.flatMap((streams) =>
    [headendSide, nodeMediaServerSide].map((side) => {
      const taken = of(side, streams)
      const cpu = taken.map(({ cpuPerStreamMinute }) => cpuPerStreamMinute)
      return [
        side.name,
        `${streams}`,
        figure(median(cpu)),
        `${figure(Math.min(...cpu))}–${figure(Math.max(...cpu))}`,
        figure(median(taken.map(({ rssBytes }) => rssBytes)) / MEGA),
        figure(median(taken.map(({ heldBytes }) => heldBytes)) / MEGA),
      ]
    }),
  )
  const judged =
    isQuick || !counts.includes(BUDGET_STREAMS)
      ? []
      : verdicts(of(headendSide, BUDGET_STREAMS), of(nodeMediaServerSide, BUDGET_STREAMS))
  return {
    title: 'rtmp-ingest: 720p30 H.264 at 3 Mbit/s with AAC, passed through; medians',
    header: ['server', 'streams', 'CPU-s per stream-minute', 'least–most', 'RSS MB', 'of it media MB'],
    rows,
    notes: [SEEN_ELSEWHERE],
    verdicts: judged,
    samples,
  }
}

function verdicts(headend: readonly IngestSample[], peer: readonly IngestSample[]): Verdict[] {
  const cpu = (samples: readonly IngestSample[]) => median(samples.map(({ cpuPerStreamMinute }) => cpuPerStreamMinute))
  const besideMedia = median(headend.map(({ rssBytes, heldBytes }) => rssBytes - heldBytes))
  return [
    {
      what: `CPU at ${BUDGET_STREAMS} streams, against node-media-server`,
      measured: cpu(headend),
      limit: cpu(peer),
      unit: 'CPU-s per stream-minute',
    },
    {
      what: `RSS at ${BUDGET_STREAMS} streams beside the log`,
      measured: besideMedia / MEGA,
      limit: RSS_ALLOWANCE_BYTES / MEGA,
      unit: 'MB',
    },
  ]
}
