import { Agent } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'
import { rawRequest } from './raw-request.ts'

const segmentPath = `/loc-1/stream.ism/QualityLevels(2500000)/Fragments(video=${START_SECONDS * 90_000},format=m3u8-cmaf)`

describe('whatever is asked', () => {
  const piece = fc.oneof(
    fc.constantFrom('loc-1', 'Stream.ism', 'manifest(format=m3u8-cmaf)', 'index.mpd', 'c', '..', '%2e%2e', '%', '%ff'),
    fc.constantFrom('QualityLevels(2500000)', 'Fragments(video=i,format=m3u8-cmaf)', 'Manifest(video', ')', '((', '='),
    fc.constantFrom('video-1', '0.m4s', '99999999999999999999.m4s', '1.init.mp4', 'video-1-iframes.m3u8', ''),
    fc.string({ maxLength: 20 }).map((text) => encodeURIComponent(text.replaceAll(/[\ud800-\udfff]/g, ''))),
    fc.stringMatching(/^[!-"$-~]{0,12}$/),
  )
  const headerText = fc.stringMatching(/^[ -~]{0,40}$/)
  const headers = fc.record(
    {
      range: fc.oneof(headerText, fc.stringMatching(/^bytes=\d{0,18}-\d{0,18}(,\d-\d)?$/)),
      'if-range': headerText,
      'if-none-match': fc.oneof(headerText, fc.constant('*')),
      'accept-encoding': fc.oneof(headerText, fc.stringMatching(/^(gzip|\*|identity)(;q=[0-9.]{0,4})?$/)),
    },
    { requiredKeys: [] },
  )

  it('is answered, and never with a 500', async () => {
    const { server, base } = await startOrigin(new FakeLive().addTracks().addSegments(3))
    const agent = new Agent({ keepAlive: true, maxSockets: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.array(piece, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`),
          fc.array(piece, { maxLength: 4 }).map((parts) => `/loc-1/Stream.ism/${parts.join('/')}`),
          fc.constant(segmentPath),
        ),
        headers,
        fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'PATCH'),
        async (path, sent, method) => {
          const answer = await rawRequest(base, { path, method, headers: sent, agent })
          expect([200, 204, 206, 304, 400, 404, 405, 410, 412, 416]).toContain(answer.status)
        },
      ),
      { numRuns: 400 },
    )
    agent.destroy()
    await server.stop()
  })
})
