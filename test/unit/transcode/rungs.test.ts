import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadLadder } from '../../../src/transcode/ladder.ts'
import { costSteps, planRenditions } from '../../../src/transcode/rendition-plan.ts'
import { chooseRungs, rungsForCores } from '../../../src/transcode/rungs.ts'

const ladder = await loadLadder('720p', [new URL('../../../config/ladders/', import.meta.url).pathname])

function sizes(width: number, height: number): string[] {
  return chooseRungs(ladder, { width, height }).map(({ size }) => `${size.width}x${size.height}`)
}

test('a picture as large as the ladder, or larger, gets every rung', () => {
  const all = ['1280x720', '960x540', '704x396', '512x288', '384x216', '340x192']
  expect(sizes(1280, 720)).toEqual(all)
  expect(sizes(3840, 2160)).toEqual(all)
})

test('rungs larger than the source go, and the others keep their places', () => {
  expect(sizes(854, 480)).toEqual(['704x396', '512x288', '384x216', '340x192'])
  expect(chooseRungs(ladder, { width: 854, height: 480 }).map(({ index }) => index)).toEqual([2, 3, 4, 5])
})

test('a source a little smaller than a rung keeps the rung at its own size', () => {
  expect(sizes(1278, 718)[0]).toBe('1278x718')
})

test('a tiny source gets one rung at its own size, at the cheapest rate', () => {
  expect(chooseRungs(ladder, { width: 161, height: 91 })).toEqual([
    { index: 5, rung: ladder.rungs[5], size: { width: 160, height: 90 } },
  ])
})

test('other shapes are fitted into the box, upright ones into the box on its side', () => {
  expect(sizes(1920, 800)[0]).toBe('1280x534')
  expect(sizes(1440, 1080)[0]).toBe('960x720')
  expect(sizes(1080, 1920)[0]).toBe('720x1280')
})

test('never larger than the source, always even, shape kept', () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 4096 }), fc.integer({ min: 16, max: 4096 }), (width, height) => {
      const rungs = chooseRungs(ladder, { width, height })
      expect(rungs.length).toBeGreaterThan(0)
      for (const { size } of rungs) {
        expect((size.width % 2) + (size.height % 2)).toBe(0)
        expect(size.width).toBeLessThanOrEqual(width)
        expect(size.height).toBeLessThanOrEqual(height)
        const scale = Math.max(size.width / width, size.height / height)
        expect(Math.abs(size.width - width * scale)).toBeLessThanOrEqual(Math.max(3, 3 * (width / height)))
      }
    }),
  )
})

test('small machines get fewer rungs, with the best and the smallest among them', () => {
  const counts = [1, 2, 4, 16].map((cores) => rungsForCores(ladder, cores).rungs.length)
  expect(counts).toEqual([2, 3, 5, 6])
  expect(rungsForCores(ladder, 2).rungs.map(({ height }) => height)).toEqual([720, 288, 192])
})

test('names and declared rates come from the place in the ladder', () => {
  const plan = planRenditions(ladder, { width: 854, height: 480 }, { savings: 0, gridSeconds: 2 })
  expect(
    plan.video.map(({ name, bitrate, maxrate, bufsize }) => [name, bitrate, maxrate, bufsize]).slice(0, 2),
  ).toEqual([
    ['video-3', 1_350_000, 1_620_000, 810_000],
    ['video-4', 850_000, 1_020_000, 510_000],
  ])
  expect(plan.audio).toMatchObject({ name: 'audio-1', bitrate: 128_000, maxrate: 147_200 })
})

test('load is shed by cheaper presets first, then from the top, and never the last rung', () => {
  const source = { width: 1280, height: 720 }
  const steps = costSteps(ladder, source)
  const plans = Array.from({ length: steps + 2 }, (_, savings) =>
    planRenditions(ladder, source, { savings, gridSeconds: 2 }),
  )
  expect(plans.map(({ preset, video }) => `${preset} ${video[0]?.name} ${video.length}`)).toEqual([
    'veryfast video-1 6',
    'superfast video-1 6',
    'ultrafast video-1 6',
    'ultrafast video-2 5',
    'ultrafast video-3 4',
    'ultrafast video-4 3',
    'ultrafast video-5 2',
    'ultrafast video-6 1',
    'ultrafast video-6 1',
  ])
})

test('a source without a picture has a plan without one', () => {
  expect(planRenditions(ladder, undefined, { savings: 3, gridSeconds: 2 }).video).toEqual([])
})
