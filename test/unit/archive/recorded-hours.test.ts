import { expect, it } from 'vitest'
import { recordHours } from '../../support/recorded-hours.ts'

it('what was recorded is what was served live, whole, and every frame of it decodes', async () => {
  const { segments, gaps, wrong, sentFrames, decoded } = await recordHours(90_000)
  expect(segments).toBeGreaterThanOrEqual(44)
  expect([gaps, wrong]).toEqual([0, []])
  expect(decoded).toEqual({
    'video-1': { frames: sentFrames.video, complaints: '' },
    'audio-1': { frames: expect.any(Number), complaints: '' },
  })
  expect(sentFrames.audio - (decoded['audio-1']?.frames ?? 0)).toBeLessThan(3)
}, 60_000)
