import { expect, it } from 'vitest'
import { recordHours } from '../support/recorded-hours.ts'

it('two hours are recorded as they were served live, and every frame decodes', async () => {
  const { segments, gaps, wrong, sentFrames, decoded, bytes } = await recordHours(7_200_000)
  process.stdout.write(
    `${segments} segments, ${Math.round((bytes * 8) / 7_200_000)} kbit/s, ${sentFrames.video} pictures\n`,
  )
  expect(segments).toBeGreaterThanOrEqual(3_590)
  expect([gaps, wrong]).toEqual([0, []])
  expect(decoded['video-1']).toEqual({ frames: sentFrames.video, complaints: '' })
  expect(decoded['audio-1']?.complaints).toBe('')
  expect(sentFrames.audio - (decoded['audio-1']?.frames ?? 0)).toBeLessThan(3)
})
