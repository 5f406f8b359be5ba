import { parseArgs } from 'node:util'

const LOAD_TESTS = ['rtmp-ingest', 'transcode', 'manifests', 'origin', 'protection', 'viewers', 'opening'] as const

export type LoadTest = (typeof LOAD_TESTS)[number]

/** What was asked for on the command line. */
export type LoadOptions = {
  readonly test: LoadTest
  /** A few seconds and one round: shows that the test runs, and judges no budget. */
  readonly isQuick: boolean
  readonly rounds: number
  /** How long each measurement lasts, and how long the load runs before it. */
  readonly seconds: number
  readonly warmupSeconds: number
  /** Numbers of streams to push, in turn (`rtmp-ingest`). */
  readonly streams: readonly number[]
  /** Prints JSON instead of a table. */
  readonly isJson: boolean
}

/** The command line can't be used; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const USAGE = `node load-tests/main.ts rtmp-ingest|transcode|manifests|origin|protection|viewers|opening [options]
  --quick            a few seconds, one round, no verdict
  --rounds N         rounds of each side (5)
  --seconds N        length of a measurement (60 for rtmp-ingest at 30 streams, 3 for origin and protection, 10 for viewers, else 30)
  --warmup N         load before a measurement (10)
  --streams N,N,...  numbers of streams (1,10,30)
  --json             print JSON`

/** A measurement of the origin is one of very many. */
const USUAL: Readonly<
  Record<LoadTest, { readonly seconds: string; readonly streams: string; readonly quickSeconds: number }>
> = {
  'rtmp-ingest': { seconds: '60', streams: '1,10,30', quickSeconds: 4 },
  transcode: { seconds: '30', streams: '1', quickSeconds: 4 },
  manifests: { seconds: '30', streams: '1', quickSeconds: 4 },
  origin: { seconds: '3', streams: '1', quickSeconds: 0.1 },
  protection: { seconds: '3', streams: '1', quickSeconds: 0.1 },
  viewers: { seconds: '10', streams: '1', quickSeconds: 0.5 },
  opening: { seconds: '30', streams: '1', quickSeconds: 1 },
}

const LIMITS = { rounds: 50, seconds: 600, warmup: 300, streams: 200, counts: 10 } as const

function positive(text: string, name: keyof typeof LIMITS): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > LIMITS[name]) {
    throw new UsageError(`--${name} must be a whole number from 1 to ${LIMITS[name]}`)
  }
  return value
}

/** Reads the arguments behind the script's name. @throws UsageError */
export function parseOptions(args: readonly string[]): LoadOptions {
  const { values, positionals } = parse(args)
  const test = LOAD_TESTS.find((name) => name === positionals[0])
  if (test === undefined || positionals.length > 1) throw new UsageError(`name one load test: ${LOAD_TESTS.join(', ')}`)
  const isQuick = values.quick ?? false
  const usual = USUAL[test]
  const counts = (values.streams ?? (isQuick ? '2' : usual.streams)).split(',')
  if (counts.length > LIMITS.counts) throw new UsageError(`--streams takes at most ${LIMITS.counts} numbers`)
  return {
    test,
    isQuick,
    rounds: positive(values.rounds ?? (isQuick ? '1' : '5'), 'rounds'),
    seconds: isQuick && !values.seconds ? usual.quickSeconds : positive(values.seconds ?? usual.seconds, 'seconds'),
    warmupSeconds: positive(values.warmup ?? (isQuick ? '4' : '10'), 'warmup'),
    streams: counts.map((count) => positive(count, 'streams')),
    isJson: values.json ?? false,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        warmup: { type: 'string' },
        streams: { type: 'string' },
        json: { type: 'boolean' },
      },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
