import { afterEach, expect, it } from 'vitest'
import type { Marker } from '../../src/presentation/markers.ts'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function originOf(live: FakeLive): Promise<string> {
  const { server, base } = await startOrigin(live)
  running.push(server)
  return base
}

function tell({ presentation }: FakeLive, id: string, seconds: number, more: Partial<Marker> = {}): void {
  const wallMs = (START_SECONDS + seconds) * 1_000
  presentation.apply({
    type: 'marker',
    version: 1,
    id,
    kind: 'ad-break',
    startTicks: wallMs * 90,
    wallMs,
    revision: 0,
    ...more,
  })
}

async function get(url: string, encoding = 'identity') {
  const { status, headers, body } = await rawRequest(url, { headers: { 'Accept-Encoding': encoding } })
  return { status, etag: headers.etag, body, text: body.toString() }
}

/** The address of the first playlist that a master names. */
const playlistOf = (master: string, from: string) => new URL(/^[^#].*$/m.exec(master)?.[0] ?? '', from).href

it('two origins that were told the same, one later than the other, give the same bytes and ETags', async () => {
  const [early, late] = [new FakeLive().addTracks().addSegments(4), new FakeLive().addTracks().addSegments(2)]
  const [one, two] = await Promise.all([originOf(early), originOf(late)])
  tell(early, 'b', 3, { plannedTicks: 900_000 })
  // What was rendered in between is no excuse.
  await get(`${two}/loc-1/index.mpd`)
  late.addSegments(2)
  tell(late, 'b', 3, { plannedTicks: 900_000 })
  for (const live of [early, late])
    tell(live, 'b', 3, { durationTicks: 90_000, revision: 1, scte35In: Uint8Array.of(0xfc) })
  const master = await get(`${one}/loc-1/index.m3u8`)
  const paths = ['/loc-1/index.mpd', new URL(playlistOf(master.text, `${one}/loc-1/index.m3u8`)).pathname]
  for (const path of [...paths, '/loc-1/index.m3u8?cue=out-in']) {
    for (const encoding of ['identity', 'gzip']) {
      const [here, there] = await Promise.all([get(one + path, encoding), get(two + path, encoding)])
      expect(there).toEqual(here)
      expect(here.status).toBe(200)
    }
  }
})

it('a manifest is another one as soon as something is said, and the same as ever where nothing was', async () => {
  const [live, silent] = [new FakeLive().addTracks().addSegments(3), new FakeLive().addTracks().addSegments(3)]
  const [base, other] = await Promise.all([originOf(live), originOf(silent)])
  const before = await get(`${base}/loc-1/index.mpd`)
  expect(before).toEqual(await get(`${other}/loc-1/index.mpd`))
  tell(live, 'b', 4)
  const after = await get(`${base}/loc-1/index.mpd`)
  expect(after.etag).not.toBe(before.etag)
  expect(await get(`${base}/loc-1/index.mpd`)).toEqual(after)
})

it('cue=out-in adds the older tags to the playlists, and to nothing else', async () => {
  const live = new FakeLive().addTracks().addSegments(5)
  tell(live, 'b', 4, { plannedTicks: 360_000, durationTicks: 360_000, revision: 1 })
  const base = await originOf(live)
  const url = `${base}/loc-1/index.m3u8`
  const [plain, cued] = [await get(url), await get(`${url}?cue=out-in`)]
  const [plainList, cuedList] = [await get(playlistOf(plain.text, url)), await get(playlistOf(cued.text, url))]
  expect(playlistOf(cued.text, url)).toMatch(/\.m3u8\?cue=out-in$/)
  expect(plainList.text).not.toContain('CUE')
  expect(cuedList.text.match(/#EXT-X-CUE.*/g)).toEqual([
    '#EXT-X-CUE-OUT:4.000',
    '#EXT-X-CUE-OUT-CONT:ElapsedTime=2.000,Duration=4.000',
    '#EXT-X-CUE-IN',
  ])
  expect(cuedList.text.replaceAll(/#EXT-X-CUE.*\n/g, '')).toBe(plainList.text)
  expect((await get(`${url}?cue=yes`)).status).toBe(400)
})
