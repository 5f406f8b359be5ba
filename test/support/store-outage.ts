import { expect } from 'vitest'
import { ApiUser, type Json } from './api.ts'
import { publish } from './ffmpeg.ts'
import { startHeadend } from './headend.ts'
import { fetchMedia, type MediaPlaylist, playingVariant, until } from './playlist.ts'

/** A store that a test can take away and give back. */
export type Outage = {
  /** `store.url` of the configuration; absent: the default. */
  readonly url?: string
  begin(dataDir: string): Promise<void>
  end(): Promise<void>
}

type Stay = { readonly dataDir: string; readonly seconds: number }

/** Counters that stay 0 as long as a stream loses nothing. */
const LOSSES = [
  'headend_ingest_dropped_frames_total',
  'headend_segmenter_gaps_total',
  'headend_segmenter_discontinuities_total',
  'headend_segmenter_non_independent_cuts_total',
]

/** Where the media that is listed ends, by the encoder's clock: without a gap, the time of the first segment and all durations. */
function endOf({ segments }: MediaPlaylist): number {
  const durationMs = segments.reduce((sum, { duration }) => sum + duration * 1_000, 0)
  return (segments[0]?.programDateTimeMs ?? 0) + durationMs
}

/**
 * The store stands still for `seconds` while a stream runs: the API says so at once instead of hanging, the stream loses
 * nothing, a second encoder is let in, and afterwards everything goes on, events included.
 */
export async function watchOutage(outage: Outage, { dataDir, seconds }: Stay): Promise<void> {
  const channels = ['one', 'two'].map((name) => ({ name, segmentDuration: '2s', streamKey: `key-of-${name}` }))
  const programs = channels.map(({ name }) => ({ name, channel: name }))
  const headend = await startHeadend({
    dataDir,
    config: {
      bootstrap: { channels, programs },
      ...(outage.url !== undefined && { store: { url: outage.url, timeout: '1s' } }),
    },
  })
  const { hlsUrl, rtmpUrl } = headend.quickstart
  const user = await (await ApiUser.of(headend)).inDefaultAccount()
  const encoder = publish(`${rtmpUrl}/key-of-one`)
  let other: ReturnType<typeof publish> | undefined
  try {
    const { url } = await playingVariant(hlsUrl, 2)
    await outage.begin(dataDir)
    const startMs = Date.now()
    const refused = await user.call('POST', '/v1/assets', { body: { name: 'never' } })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).not.toBeNull()
    other = publish(`${rtmpUrl}/key-of-two`)
    await until(
      'the end of the outage',
      seconds * 1_000 + 10_000,
      async () => Date.now() - startMs,
      (ms) => ms > seconds * 1_000,
    )
    await outage.end()
    const answered = await until(
      'the API',
      15_000,
      () => user.call('GET', '/v1/channels'),
      ({ status }) => status === 200,
    )
    expect((answered.body['items'] as Json[]).map(({ state }) => state)).toEqual(['Running', 'Running'])
    const { segments } = await until(
      'the stream after it',
      30_000,
      () => fetchMedia(url),
      (listed) => endOf(listed) > Date.now() - 6_000,
    )
    expect(segments.filter(({ gap }) => gap)).toEqual([])
    const metrics = await headend.metrics()
    for (const name of LOSSES) {
      expect(metrics).toContain(`# HELP ${name} `)
      const series = metrics.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes('channel="one"'))
      expect(series.filter((line) => !line.endsWith(' 0'))).toEqual([])
    }
    expect(new Set(segments.map(({ discontinuitySequence }) => discontinuitySequence)).size).toBe(1)
    await until(
      'the event of the outage',
      20_000,
      () => user.ask(200, 'GET', '/v1/events?types=channel.encoder-connected'),
      ({ items }) => (items as Json[]).length === 2,
    )
    const complaints = headend.lines().filter(({ level }) => level === 'error' || level === 'fatal')
    expect(complaints).toEqual([])
  } finally {
    await Promise.all([encoder.stop(), other?.stop()])
    await headend.stop()
  }
}
