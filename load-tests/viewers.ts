import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from './child.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { median } from './statistics.ts'
import { figure } from './table.ts'
import type {
  ViewersClientOrder,
  ViewersClientReply,
  ViewersServerOrder,
  ViewersServerReply,
} from './viewers-orders.ts'

const VIEWERS = 5_000
const QUICK_VIEWERS = 200
/** The first ones come to a server that has yet to find its size. */
const WARMUP_VIEWERS = 200
const BUDGET_MB = 150
const PATH = '/live/index.m3u8'
const SETTLE_MS = 1_000
/** Descriptors that a process has open besides. */
const SPARE_FILES = 100

type Sample = {
  readonly round: number
  readonly viewers: number
  readonly growthMb: number
  readonly heapMb: number
  readonly idleCpuPercent: number
}

/** What viewers cost that are connected and do nothing. */
export async function runViewers({ options, progress, scope }: LoadContext): Promise<LoadReport> {
  const viewers = options.isQuick ? QUICK_VIEWERS : VIEWERS
  requireFiles(viewers + WARMUP_VIEWERS + SPARE_FILES)
  const samples: Sample[] = []
  for (let round = 0; round < options.rounds; round++) {
    const processes = scope()
    try {
      const server = processes.own(
        'server',
        new Child<ViewersServerOrder, ViewersServerReply>(new URL('./viewers-server-process.ts', import.meta.url)),
      )
      const client = processes.own(
        'viewers',
        new Child<ViewersClientOrder, ViewersClientReply>(new URL('./viewers-client-process.ts', import.meta.url)),
      )
      samples.push(await measure(server, client, viewers, round, options.seconds))
      progress(`round ${round + 1}: ${figure(samples.at(-1)?.growthMb ?? Number.NaN)} MB`)
    } finally {
      await processes.stop()
    }
  }
  return report(samples, viewers, options.isQuick)
}

async function measure(
  server: Child<ViewersServerOrder, ViewersServerReply>,
  client: Child<ViewersClientOrder, ViewersClientReply>,
  viewers: number,
  round: number,
  seconds: number,
): Promise<Sample> {
  const { port } = await server.ask({ kind: 'serve' }, 'serving')
  const open = (connections: number) => client.ask({ kind: 'open', port, path: PATH, connections }, 'opened')
  await open(WARMUP_VIEWERS)
  await sleep(SETTLE_MS)
  const before = await server.ask({ kind: 'weigh' }, 'weighed')
  const { open: connected } = await open(viewers)
  await sleep(SETTLE_MS)
  const after = await server.ask({ kind: 'weigh' }, 'weighed')
  if (connected < viewers + WARMUP_VIEWERS || after.connections < connected) {
    throw new Error(
      `only ${connected} of ${viewers + WARMUP_VIEWERS} viewers are connected (${after.connections} there)`,
    )
  }
  const idleSeconds = Math.min(seconds, 20)
  await sleep(idleSeconds * 1_000)
  const idle = await server.ask({ kind: 'weigh' }, 'weighed')
  return {
    ...{ round, viewers },
    growthMb: (after.rssBytes - before.rssBytes) / 1e6,
    heapMb: (after.heapBytes - before.heapBytes) / 1e6,
    idleCpuPercent: (idle.usedMicros - after.cpuMicros) / (idleSeconds * 1e4),
  }
}

/** @throws Error that says what to do where a process may not have so many files open */
function requireFiles(count: number): void {
  const [, soft = '0'] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  if (soft === 'unlimited' || Number(soft) >= count) return
  throw new Error(`${count} open files are needed and ${soft} allowed: raise the limit by "ulimit -n ${count}" first`)
}

function report(samples: readonly Sample[], viewers: number, isQuick: boolean): LoadReport {
  const growthMb = median(samples.map((sample) => sample.growthMb))
  const idle = median(samples.map(({ idleCpuPercent }) => idleCpuPercent))
  const verdict = { what: `${viewers} idle viewers`, measured: growthMb, limit: BUDGET_MB, unit: 'MB of RSS' }
  return {
    title: 'Idle viewers: each has read one manifest and keeps its connection',
    header: ['viewers', 'RSS, MB', 'kB each', 'of it heap, MB', 'CPU while idle, % of a core'],
    rows: [
      [
        ...[String(viewers), figure(growthMb), figure((growthMb * 1_000) / viewers)],
        ...[figure(median(samples.map(({ heapMb }) => heapMb))), figure(idle)],
      ],
    ],
    notes: [`Growth of the server process after a forced garbage collection; median of ${samples.length}.`],
    verdicts: isQuick ? [] : [verdict],
    samples,
  }
}
