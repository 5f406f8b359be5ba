import { fetchMaster, fetchMedia, type MediaPlaylist } from '../test/support/playlist.ts'

/** What a playlist must show of a stream that was published without a pause. */
export type Expectation = {
  readonly segmentSeconds: number
  /** Media time that has been sent. */
  readonly sentSeconds: number
  /** What is listed of it at most. */
  readonly windowSeconds: number
  /** The open one, and what the encoder and the server hold, may be missing; the window may be passed by one. */
  readonly slackSegments: number
}

const FRAME_SECONDS = 1 / 30

/** Says what is wrong with a playlist; nothing where all is well. */
export function problemsOf(playlist: MediaPlaylist, expected: Expectation): string[] {
  const { segments } = playlist
  const problems: string[] = []
  const listed = segments.reduce((sum, segment) => sum + segment.duration, 0)
  const slack = expected.slackSegments * expected.segmentSeconds
  const wanted = Math.min(expected.sentSeconds, expected.windowSeconds)
  if (listed < wanted - slack || listed > wanted + slack) {
    problems.push(`${listed.toFixed(1)} s listed where ${wanted.toFixed(1)} s were sent`)
  }
  if (segments.some(({ gap }) => gap)) problems.push('gaps')
  if (new Set(segments.map(({ discontinuitySequence }) => discontinuitySequence)).size > 1) {
    problems.push('discontinuities')
  }
  // The first one may begin in the middle of a cell of the key-frame grid.
  const odd = segments.slice(1).filter(({ duration }) => Math.abs(duration - expected.segmentSeconds) > FRAME_SECONDS)
  if (odd.length > 0) problems.push(`segments of ${odd.map(({ duration }) => duration).join(', ')} s`)
  return problems
}

/** Fetches every variant and audio playlist of a master playlist and looks at each. */
export async function checkStream(masterUrl: string, expected: Expectation): Promise<string[]> {
  const master = await fetchMaster(masterUrl)
  const urls = [...master.variants.map(({ url }) => url), ...master.audio]
  if (master.variants.length === 0 || master.audio.length === 0) return [`${masterUrl}: no variant, or no audio`]
  const found = await Promise.all(urls.map(async (url) => problemsOf(await fetchMedia(url), expected)))
  return found.flatMap((problems, index) => problems.map((problem) => `${urls[index]}: ${problem}`))
}

/** The sum of all series of a metric; a metric that is not there is an error, not nothing. */
export function sumOfMetric(metrics: string, name: string): number {
  if (!metrics.includes(`# TYPE ${name} `)) throw new Error(`there is no metric ${name}`)
  return metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
