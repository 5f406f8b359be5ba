import { expect, it } from 'vitest'
import { nothingDelivered } from '../../../src/domain/delivery-terms.ts'
import type { DrmSignalling } from '../../../src/domain/drm-signalling.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { Deliveries, type ProtectedDelivery } from '../../../src/origin/deliveries.ts'
import type { TrackKeyRef } from '../../../src/origin/delivery-keys.ts'
import { ProviderSignals } from '../../../src/origin/provider-signals.ts'
import { presentationOf } from '../manifest/sample-manifests.ts'
import { SampleLog, START_TICKS, sampleHeader, videoTrack } from '../presentation/sample-log.ts'

const START_MS = START_TICKS / 90
const PERIOD_MS = 10_000
const said: DrmSignalling = [{ systemId: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed', pssh: 'AAAA' }]

function stage() {
  const key = { contentKeyId: '21234567-89ab-8def-8123-000000000000', kind: 'cbcs', rotating: true } as const
  const protocols = { ...nothingDelivered.protocols, hls: ['cbcs'] } as const
  const keys = [{ ...key, created: '2026-01-01T00:00:00Z', had: [], signalling: 'each period' }]
  const terms = { protocols, licenceUrls: {}, keys, rotationPeriodMs: PERIOD_MS }
  const delivery = new Deliveries(sampleHeader, terms).all[0] as ProtectedDelivery
  const asked: number[] = []
  const answers = { of: async (_index: number): Promise<DrmSignalling> => said }
  const told = ({ periodMs = 0 }: TrackKeyRef) => {
    const index = (periodMs - START_MS) / PERIOD_MS
    asked.push(index)
    return answers.of(index)
  }
  const signals = new ProviderSignals({ told })
  const prepare = (segments: number, first = 0) => {
    const log = new SampleLog().add(videoTrack(1, 'video-1')).segments(segments)
    const view = presentationOf(sampleHeader, log.records)
    return signals.prepare(delivery, view, { first, end: view.endSequence })
  }
  return { answers, asked, prepare }
}

it('asks for each period once, as segments come, and for the next one', async () => {
  const { asked, prepare } = stage()
  for (const segments of [1, 4, 5, 6, 6, 16]) await prepare(segments)
  expect(asked).toEqual([0, 1, 2, 3, 4])
})

it('waits no second time for what comes next', async () => {
  const { answers, asked, prepare } = stage()
  const late = Promise.withResolvers<DrmSignalling>()
  answers.of = async (index) => {
    if (index === 0) return said
    throw new AppError('KEY_PROVIDER_DOWN', 'down')
  }
  await prepare(1)
  answers.of = () => late.promise
  // Neither of them ends before the provider answers.
  await prepare(2)
  await prepare(3)
  expect(asked).toEqual([0, 1, 1])
  late.resolve(said)
  await late.promise
  await prepare(6)
  expect(asked).toEqual([0, 1, 1, 2])
})

it('forgets what was said longest ago where it is too much, but nothing that a manifest says', async () => {
  const { answers, asked, prepare } = stage()
  const text = 'A'.repeat(17 * 1_024 * 1_024)
  answers.of = async () => [{ systemId: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed', pssh: text }]
  // Four periods in sixteen segments, of which three fit.
  for (const segments of [1, 4, 6]) await prepare(segments)
  await prepare(16, 10)
  expect(asked).toEqual([0, 1, 2, 3, 4])
  await prepare(16, 10)
  expect(asked).toEqual([0, 1, 2, 3, 4])
  await prepare(16, 5)
  expect(asked).toEqual([0, 1, 2, 3, 4, 1, 4])
  await expect(prepare(16)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  await prepare(16, 10)
})
