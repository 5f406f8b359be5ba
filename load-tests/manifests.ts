import type { IncomingMessage } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from '../src/origin/answer.ts'
import type { Delivery } from '../src/origin/deliveries.ts'
import { DeliveryKeys } from '../src/origin/delivery-keys.ts'
import { ManifestAnswers } from '../src/origin/manifest-answers.ts'
import { ManifestCache } from '../src/origin/manifest-cache.ts'
import type { ManifestRequest } from '../src/origin/manifest-request.ts'
import { defaultOriginLimits } from '../src/origin/origin-server.ts'
import { ProviderSignals } from '../src/origin/provider-signals.ts'
import { LiveWindow } from './live-window.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { interleave, median } from './statistics.ts'
import { figure } from './table.ts'

type Side = '5 min' | '25 h'
type Ask = (answers: ManifestAnswers, window: LiveWindow) => Promise<Pick<Answer, 'sizeBytes'>>

/** What a manifest cost in one round. Whatever else the machine does only adds to it. */
type Sample = {
  readonly kind: string
  readonly side: Side
  readonly round: number
  /** The first time, with nothing prepared: until it was there, and the longest that nobody else was served. */
  readonly coldMs: number
  readonly coldBlockMs: number
  /** From the request to the answer for each new version after that, with what other threads compress; the best quarter's worst. */
  readonly versionMs: number
  readonly bytes: number
}

const SEGMENT_SECONDS = 2
const WINDOW_SEGMENTS: Readonly<Record<Side, number>> = { '5 min': 150, '25 h': 45_000 }
/** Each rendition of each program has a new version with every segment, and somebody asks for it. */
const LISTINGS = 10 * 7
const VERSIONS = 25
const QUICK_VERSIONS = 5
const BUDGET = { blockMs: 30, deltaCorePercent: 5, deltaRatio: 3 }
/** For a timer of one millisecond to notice that it was kept waiting. */
const NOTICE_MS = 5

const kinds: Readonly<Record<string, Ask>> = {
  'delta, gzip': (answers, window) => answers.playlist(asked(window, '?_HLS_skip=YES', true), window.video, false),
  'playlist, gzip': (answers, window) => answers.playlist(asked(window, '', true), window.video, false),
  'playlist, plain': (answers, window) => answers.playlist(asked(window, '', false), window.video, false),
  'audio, gzip': (answers, window) => answers.playlist(asked(window, '', true), window.audio, false),
  'key frames, gzip': (answers, window) => answers.playlist(asked(window, '', true), window.video, true),
  '7 playlists at once, gzip': everyPlaylist,
  'MPD of 2 h, gzip': (answers, window) => answers.mpd(asked(window, '', true), false),
  'MPD of all, gzip': (answers, window) => answers.mpd(asked(window, '?rewind=full', true), false),
  'master, gzip': (answers, window) => answers.master(asked(window, '', true), false),
}

function asked({ view }: LiveWindow, query: string, isZipped: boolean): ManifestRequest {
  const headers = isZipped ? { 'accept-encoding': 'gzip' } : {}
  const delivery: Delivery = { protection: 'clear', digest: 'digest', protocols: ['hls', 'dash'] }
  return {
    request: { url: `/m${query}`, headers } as IncomingMessage,
    view,
    digest: 'digest',
    delivery,
    place: 'child',
  }
}

async function everyPlaylist(answers: ManifestAnswers, window: LiveWindow): Promise<Pick<Answer, 'sizeBytes'>> {
  const asking = window.view.renditions.map((rendition) => answers.playlist(asked(window, '', true), rendition, false))
  const sizes = (await Promise.all(asking)).map(({ sizeBytes }) => sizeBytes)
  return { sizeBytes: sizes.reduce((sum, size) => sum + size, 0) }
}

/** What manifests of a long window cost an origin thread, against those of a short one. */
export async function runManifests({ options, progress }: LoadContext): Promise<LoadReport> {
  const windows: Readonly<Record<Side, LiveWindow>> = {
    '5 min': new LiveWindow(WINDOW_SEGMENTS['5 min'], SEGMENT_SECONDS),
    '25 h': new LiveWindow(WINDOW_SEGMENTS['25 h'], SEGMENT_SECONDS),
  }
  const samples: Sample[] = []
  for (const { round, side } of interleave<Side>(['5 min', '25 h'], options.rounds)) {
    for (const [kind, ask] of Object.entries(kinds)) {
      const measured = await measureKind(ask, windows[side], options.isQuick ? QUICK_VERSIONS : VERSIONS)
      samples.push({ kind, side, round, ...measured })
    }
    progress(`${side}, round ${round + 1}`)
  }
  return report(samples, options.isQuick)
}

async function measureKind(
  ask: Ask,
  window: LiveWindow,
  versions: number,
): Promise<Omit<Sample, 'kind' | 'side' | 'round'>> {
  const answers = new ManifestAnswers(new ManifestCache(defaultOriginLimits.manifestCacheBytes), {
    endedMaxAgeSeconds: 60,
    hasThumbnails: false,
    signals: new ProviderSignals(new DeliveryKeys(undefined)),
    keysUrl: '',
  })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  await sleep(NOTICE_MS)
  delay.enable()
  const startMs = performance.now()
  const { sizeBytes: bytes } = await ask(answers, window)
  const coldMs = performance.now() - startMs
  await sleep(NOTICE_MS)
  delay.disable()
  const costs: number[] = []
  for (let version = 0; version < versions; version++) {
    window.advance()
    const askedMs = performance.now()
    await ask(answers, window)
    costs.push(performance.now() - askedMs)
  }
  const versionMs = costs.toSorted((a, b) => a - b)[costs.length >> 2] ?? Number.NaN
  return { coldMs, coldBlockMs: delay.max / 1e6, versionMs, bytes }
}

function report(samples: readonly Sample[], isQuick: boolean): LoadReport {
  const of = (kind: string, side: Side, figureOf: (sample: Sample) => number) =>
    samples.filter((sample) => sample.kind === kind && sample.side === side).map(figureOf)
  const names = Object.keys(kinds)
  const cost = (kind: string, side: Side) => median(of(kind, side, ({ versionMs }) => versionMs))
  const block = (kind: string) => Math.min(...of(kind, '25 h', ({ coldBlockMs }) => coldBlockMs))
  const rows = names.map((kind) => [
    kind,
    figure(cost(kind, '5 min')),
    figure(cost(kind, '25 h')),
    figure(cost(kind, '25 h') / cost(kind, '5 min')),
    figure(Math.min(...of(kind, '25 h', ({ coldMs }) => coldMs))),
    figure(block(kind)),
    String(median(of(kind, '5 min', ({ bytes }) => bytes))),
    String(median(of(kind, '25 h', ({ bytes }) => bytes))),
  ])
  const delta = cost('delta, gzip', '25 h')
  const corePercent = (delta * LISTINGS) / (SEGMENT_SECONDS * 10)
  const judged = [
    {
      what: 'delta updates of 10 programs of 7 renditions',
      measured: corePercent,
      limit: BUDGET.deltaCorePercent,
      unit: '% of a core',
    },
    {
      what: 'a delta update of 25 h against a playlist of 5 min',
      measured: delta / cost('playlist, gzip', '5 min'),
      limit: BUDGET.deltaRatio,
      unit: 'times as much',
    },
    {
      what: 'longest that a manifest of 25 h kept others waiting',
      measured: Math.max(...names.map(block)),
      limit: BUDGET.blockMs,
      unit: 'ms',
    },
  ]
  return {
    title: 'manifests: 2 s segments, 7 renditions; per new version, medians of rounds; the first time, the best',
    header: [
      'what',
      '5 min: ms',
      '25 h: ms',
      'ratio',
      'first time: ms',
      'at a stretch: ms',
      '5 min: bytes',
      '25 h: bytes',
    ],
    rows,
    notes: [`delta updates of ${LISTINGS} listings take ${figure(corePercent)} % of a core`],
    verdicts: isQuick ? [] : judged,
    samples,
  }
}
