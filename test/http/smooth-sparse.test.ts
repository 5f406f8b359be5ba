import { afterEach, expect, it } from 'vitest'
import { checkSmoothReload, readSmooth } from '../../src/conformance/smooth-manifest-rules.ts'
import type { Marker } from '../../src/presentation/markers.ts'
import { encodeVideo } from '../support/recording.ts'
import { fragmentUrl, readSmoothManifest } from '../support/smooth-client.ts'
import { readSmoothFragment } from '../support/smooth-fragment.ts'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

const { config } = encodeVideo(1)
const out = Uint8Array.of(0xfc, 0x30, 0x11)
const back = Uint8Array.of(0xfc, 0x30, 0x12)

function tell({ presentation }: FakeLive, id: string, seconds: number, more: Partial<Marker> = {}): void {
  const wallMs = (START_SECONDS + seconds) * 1_000
  const head = { version: 1, id, kind: 'ad-break', startTicks: wallMs * 90, wallMs, revision: 0 } as const
  presentation.apply({ type: 'marker', ...head, ...more })
}

/** The fixtures' tracks, with a configuration that Smooth's manifests can be made of. */
function smoothLive(segments: number): FakeLive {
  const live = new FakeLive()
  const tracks = new FakeLive().addTracks().presentation.renditions.flatMap((rendition) => rendition.tracks)
  for (const track of tracks) {
    live.presentation.apply({
      type: 'track-added',
      track: track.config.kind === 'video' ? { ...track, config } : track,
    })
  }
  return live.addSegments(segments)
}

async function serve(live: FakeLive) {
  const { server, base } = await startOrigin(live)
  running.push(server)
  const url = `${base}/loc-1/Stream.ism/manifest`
  const get = async (from = url) => (await rawRequest(from)).body
  return { url, get, text: async () => (await get()).toString() }
}

it('SCTE-35 messages are a sparse stream, live and afterwards, each in the manifest and as a fragment', async () => {
  const live = smoothLive(5)
  const { url, get, text } = await serve(live)
  const silent = await text()
  expect(readSmoothManifest(silent).streams).toHaveLength(2)
  expect(silent).not.toContain('ParentStreamIndex')
  tell(live, 'a', 3, { scte35: out, plannedTicks: 900_000 })
  tell(live, 'b', 3, { kind: 'splice', scte35: back })
  tell(live, 'c', 90, { scte35: out })
  tell(live, 'text', 4, { kind: 'text', values: { text: 'x' } })
  const first = await text()
  tell(live, 'a', 3, { durationTicks: 180_000, scte35In: back, revision: 1 })
  tell(live, 'c', 90, { isCancelled: true, revision: 1 })
  live.addSegments(1)
  const second = await text()
  live.presentation.apply({ type: 'ended' })
  const third = await text()

  const ticksAt = (seconds: number, more = 0) => BigInt(START_SECONDS + seconds) * 10_000_000n + BigInt(more)
  const expected: [string, bigint[], Uint8Array[]][] = [
    [first, [ticksAt(3), ticksAt(3, 8), ticksAt(90)], [out, back, out]],
    [second, [ticksAt(3), ticksAt(3, 8), ticksAt(5)], [out, back, back]],
    [third, [ticksAt(3), ticksAt(3, 8), ticksAt(5)], [out, back, back]],
  ]
  for (const [manifest, times, messages] of expected) {
    const sparse = readSmoothManifest(manifest).streams[2]
    expect(sparse?.attributes).toMatchObject({
      ...{ Type: 'text', Name: 'scte35', ParentStreamIndex: 'video', ManifestOutput: 'TRUE' },
      Chunks: String(times.length),
    })
    expect(sparse?.chunks.map(({ time }) => time)).toEqual(times)
    const inline = [...manifest.matchAll(/<f i="0">([^<]+)<\/f>/g)].map(([, base64 = '']) => base64)
    expect(inline).toEqual(messages.map((message) => Buffer.from(message).toString('base64')))
    expect(readSmooth(manifest).violations).toEqual([])
  }
  const readings = [silent, first, second, third].map((manifest) => readSmooth(manifest).reading)
  for (const [at, after] of readings.entries()) {
    const before = readings[at - 1]
    if (before && after) expect(checkSmoothReload(before, after)).toEqual([])
  }
  const stream = readSmoothManifest(third).streams[2]
  for (const [at, { time, duration }] of (stream?.chunks ?? []).entries()) {
    if (!stream) continue
    const fragment = readSmoothFragment(await get(fragmentUrl(url, stream, stream.levels[0] ?? {}, time)))
    expect(fragment).toMatchObject({ time, duration, next: [] })
    expect(fragment.samples.map(({ data }) => Uint8Array.from(data))).toEqual([expected[2]?.[2][at]])
  }
  const gone = await rawRequest(new URL(`QualityLevels(0)/Fragments(scte35=${ticksAt(90)})`, url).href)
  expect(gone.status).toBe(404)
})

it('but for that stream, manifests say what they say without messages', async () => {
  const live = smoothLive(4)
  const { text } = await serve(live)
  const before = await text()
  tell(live, 'a', 3, { scte35: out })
  const after = await text()
  expect(after.replace(/<StreamIndex Type="text"[\s\S]*<\/StreamIndex>\n(?=<\/Smooth)/, '')).toBe(before)
})
