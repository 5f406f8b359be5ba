import { expect, test } from 'vitest'
import { MediaFloors } from '../../../src/transcode/output-gate.ts'

const sampleAt = (dtsTicks: number, compositionTicks = 0) => ({
  dtsTicks,
  compositionTicks,
  independent: true,
  data: new Uint8Array(1),
})

test('a new child’s priming does not go back behind the sound that was delivered', () => {
  const floors = new MediaFloors()
  expect(floors.admit('audio-1', 'audio', sampleAt(1024), 1024)).toBeDefined()
  expect(floors.admit('audio-1', 'audio', sampleAt(1024), 1024)).toBeUndefined()
  expect(floors.admit('audio-1', 'audio', sampleAt(2048), 1024)).toBeDefined()
})

test('a picture keeps its PTS, and its DTS goes on upwards', () => {
  const floors = new MediaFloors()
  floors.admit('video-1', 'video', sampleAt(9000), 3600)
  expect(floors.admit('video-1', 'video', sampleAt(5400, 7200), 3600)).toMatchObject({
    dtsTicks: 9001,
    compositionTicks: 3599,
  })
  expect(floors.admit('video-1', 'video', sampleAt(9000, 7200), 3600)).toMatchObject({
    dtsTicks: 9002,
    compositionTicks: 7198,
  })
  expect(floors.admit('video-2', 'video', sampleAt(5400, 7200), 3600)).toMatchObject({ dtsTicks: 5400 })
})
