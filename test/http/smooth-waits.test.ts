import { afterEach, describe, expect, it } from 'vitest'
import { buildInitSegment } from '../../src/media/cmaf/init-segment.ts'
import type { Track } from '../../src/presentation/records.ts'
import { fragmentUrl, readSmoothManifest } from '../support/smooth-client.ts'
import { readSmoothFragment } from '../support/smooth-fragment.ts'
import { CountedLive, serveCounted, stopCounted, turnsUntil } from './counted-live.ts'
import { FakeLive } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

afterEach(stopCounted)

/** Its headers describe what is in its fragments. */
class DescribedLive extends CountedLive {
  override addTracks(): this {
    for (const { tracks } of new FakeLive().addTracks().presentation.renditions) {
      const [track] = tracks
      if (track) this.presentation.apply({ type: 'track-added', track: { ...track, init: initOf(track) } })
    }
    return this
  }
}

function initOf(track: Track): Uint8Array {
  return track.config.kind === 'audio' ? buildInitSegment([{ trackId: 1, config: track.config }]) : track.init
}

/** What the newest fragment that is listed tells of comes next, and where that is. */
async function served(live: CountedLive) {
  const { base, server } = await serveCounted(live)
  const manifestUrl = `${base}/loc-1/Stream.ism/manifest(format=fmp4-v20,audio-only=true)`
  const [stream] = readSmoothManifest((await rawRequest(manifestUrl)).body.toString()).streams
  const urlAt = (time: bigint) => fragmentUrl(manifestUrl, stream!, stream!.levels[0]!, time)
  const newest = await rawRequest(urlAt(stream!.chunks.at(-1)!.time))
  expect([newest.status, newest.status === 200 ? '' : newest.body.toString()]).toEqual([200, ''])
  const [next, later] = readSmoothFragment(newest.body).next
  return { server, next: urlAt(next!.time), later: urlAt(later!.time) }
}

describe('the fragments that a Smooth fragment tells of', () => {
  it('are answered as soon as they can tell of two more themselves', async () => {
    const live = new DescribedLive().segments(0, 5)
    const { server, next, later } = await served(live)
    const answers = [next, next, later].map((url) => rawRequest(url))
    await turnsUntil(() => server.blockedRequests === 3)
    live.segments(5, 6)
    for (const answer of answers.slice(0, 2)) {
      const { status, body } = await answer!
      expect([status, readSmoothFragment(body).next.length]).toEqual([200, 2])
    }
    expect(server.blockedRequests).toBe(1)
    live.apply({ type: 'ended' })
    const last = await answers[2]!
    expect([last.status, readSmoothFragment(last.body).next.length]).toEqual([200, 1])
  })

  it('are not waited for where nobody told of them yet', async () => {
    const live = new DescribedLive().segments(0, 5)
    const { later } = await served(live)
    const time = /=(\d+)\)$/.exec(decodeURIComponent(later))?.[1] ?? ''
    const beyond = later.replace(time, String(BigInt(time) + 20_000_000n))
    expect((await rawRequest(beyond)).status).toBe(412)
  })
})
