import { describe, expect, it } from 'vitest'
import { nothingDelivered } from '../../../src/domain/delivery-terms.ts'
import { periodKeyId } from '../../../src/domain/key-id.ts'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import { Deliveries, type ProtectedDelivery } from '../../../src/origin/deliveries.ts'
import { DeliveryKeys } from '../../../src/origin/delivery-keys.ts'
import { dashKeySignals, KeyPeriodViews, sessionKeyLines } from '../../../src/origin/key-signals.ts'
import { ProviderSignals } from '../../../src/origin/provider-signals.ts'
import type { PresentationHeader } from '../../../src/presentation/records.ts'
import { KEY_AHEAD_MS } from '../../../src/protection/content-key-derivation.ts'
import { presentationOf, sampleUris } from '../manifest/sample-manifests.ts'
import { audioTrack, SampleLog, START_TICKS, sampleHeader, videoTrack } from '../presentation/sample-log.ts'

const header: PresentationHeader = { ...sampleHeader, rewindWindowMs: 60_000 }
const START_MS = START_TICKS / 90
const TARGET_MS = 2_000
const KEY_ID = '21234567-89ab-8def-8123-000000000000'

function deliveryOf(periodMs: number): ProtectedDelivery {
  const key = { contentKeyId: KEY_ID, kind: 'cbcs', rotating: true, created: '2026-01-01T00:00:00Z' } as const
  const protocols = { ...nothingDelivered.protocols, hls: ['cbcs'], dash: ['cbcs'] } as const
  const keys = [{ ...key, had: ['clearkey', 'widevine', 'playready'] as const }]
  const [delivery] = new Deliveries(header, { protocols, licenceUrls: {}, keys, rotationPeriodMs: periodMs }).all
  if (delivery?.protection !== 'cbcs') throw new Error('nothing is protected')
  return delivery
}

/** After so many segments, what a player is told of keys, and how far a new one has to go until it plays what is newest. */
function toldAfter(segments: number, periodMs: number) {
  const delivery = deliveryOf(periodMs)
  const log = new SampleLog(header).add(videoTrack(1, 'video-1')).add(audioTrack(2, 'audio-1')).segments(segments)
  const view = presentationOf(header, log.records)
  const signs = { told: new ProviderSignals(new DeliveryKeys(undefined)).of(delivery), base: 'https://keys.example' }
  const keys = dashKeySignals(delivery, signs)
  const mpd = buildMpd(new KeyPeriodViews().of(view, delivery), sampleUris, keys ? { keys } : {})
  const delayMs = Number(/suggestedPresentationDelay="PT(\d+)S"/.exec(mpd)?.[1]) * 1_000
  return {
    mpd,
    session: sessionKeyLines(delivery, view, 'fragments', signs).join('\n'),
    playheadMs: START_MS + segments * TARGET_MS - delayMs,
  }
}

describe('a key that comes', () => {
  it('is told to players of DASH when its first segment is listed, two segments before they play it', () => {
    const periodMs = 10_000
    for (const index of [1, 2, 3]) {
      const beginMs = START_MS + index * periodMs
      const kid = periodKeyId(KEY_ID, beginMs)
      const first = (index * periodMs) / TARGET_MS + 1
      expect(toldAfter(first - 1, periodMs).mpd).not.toContain(kid)
      const { mpd, playheadMs } = toldAfter(first, periodMs)
      expect(mpd).toContain(`cenc:default_KID="${kid}"`)
      // One of them may go by until the player looks at the manifest again.
      expect(beginMs - playheadMs).toBeGreaterThanOrEqual(2 * TARGET_MS)
    }
  })

  it('is told in master playlists a period before, but no sooner than it is given to anybody', () => {
    const next = (periodMs: number) => periodKeyId(KEY_ID, START_MS + periodMs)
    for (const system of ['org.w3.clearkey', 'com.microsoft.playready', 'urn:uuid:edef8ba9'])
      expect(toldAfter(1, 10_000).session).toContain(system)
    expect(toldAfter(1, 10_000).session).toContain(`/keys/clearkey/${next(10_000)}"`)
    const longMs = 300_000
    const lastMs = longMs - KEY_AHEAD_MS
    expect(toldAfter(lastMs / TARGET_MS, longMs).session).not.toContain(next(longMs))
    expect(toldAfter(lastMs / TARGET_MS + 1, longMs).session).toContain(next(longMs))
  })
})
