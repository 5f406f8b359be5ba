import { expect, test } from 'vitest'
import { StartGate } from '../../../src/transcode/start-gate.ts'
import { audioConfig, picture, START_TICKS, sound, videoConfig } from './sample-source.ts'

const both = { video: videoConfig, audio: audioConfig }
const videoOnly = { video: videoConfig, audio: undefined }

function gateOf(maxBytes = 1e6): StartGate {
  return new StartGate({ audioWaitMs: 1000, maxBytes })
}

test('it begins with an independent picture and the first sound, and loses nothing from there', () => {
  const gate = gateOf()
  expect(gate.push('video', picture(24), videoConfig, 0)).toBe(1)
  for (let n = 25; n < 30; n++) expect(gate.push('video', picture(n), videoConfig, n)).toBe(0)
  expect(gate.decide(both, 30)).toBeUndefined()
  gate.push('audio', sound(50), audioConfig, 31)
  const start = gate.decide(both, 31)
  expect(start?.items.map(({ kind }) => kind)).toEqual(['video', 'video', 'video', 'video', 'video', 'audio'])
  expect(start).toMatchObject({ video: videoConfig, audio: audioConfig, firstPtsTicks: START_TICKS + 25 * 3600 })
  expect(gate.isEmpty).toBe(true)
})

test('a sound is waited for one second, of media or of the clock', () => {
  const media = gateOf()
  for (let n = 0; n < 25; n++) media.push('video', picture(n), videoConfig, 0)
  expect(media.decide(both, 0)).toBeUndefined()
  media.push('video', picture(25), videoConfig, 0)
  expect(media.decide(both, 0)).toMatchObject({ audio: undefined, video: videoConfig })

  const clock = gateOf()
  clock.push('video', picture(0), videoConfig, 5000)
  expect(clock.decide(videoOnly, 5999)).toBeUndefined()
  expect(clock.decide(videoOnly, 6000)?.items.length).toBe(1)
})

test('no sound is waited for where none was before, nor when nothing more will come', () => {
  const gate = gateOf()
  gate.push('video', picture(0), videoConfig, 0)
  expect(gate.decide(videoOnly, 0, { startsSilent: true })).toBeDefined()
  gate.push('video', picture(25), videoConfig, 0)
  expect(gate.decide(videoOnly, 0, { force: true })).toBeDefined()
  expect(gate.decide(videoOnly, 0, { force: true })).toBeUndefined()
})

test('sound from before the first picture is left out, unless the last child had not had it', () => {
  for (const [audioFromMs, frames] of [
    [undefined, 1],
    [(1_763_000_000 + 0.5) * 1000, 24],
  ] as const) {
    const gate = gateOf()
    for (let n = 0; n < 48; n++) gate.push('audio', sound(n), audioConfig, 0)
    gate.push('video', picture(25), videoConfig, 0)
    const start = gate.decide(both, 0, { audioFromMs })
    expect(start?.items.filter(({ kind }) => kind === 'audio').length).toBe(frames)
  }
})

test('sound alone begins after a second without a picture, later where one is announced', () => {
  const gate = gateOf()
  gate.push('audio', sound(0), audioConfig, 0)
  expect(gate.decide({ video: undefined, audio: audioConfig }, 999)).toBeUndefined()
  expect(gate.decide(both, 4999)).toBeUndefined()
  expect(gate.decide({ video: undefined, audio: audioConfig }, 1000)).toMatchObject({
    video: undefined,
    firstPtsTicks: 0,
  })
  gate.push('audio', sound(0), audioConfig, 0)
  expect(gate.decide(both, 5000)).toMatchObject({ video: undefined, audio: audioConfig })
})

test('it never holds more than its budget: then it begins again at the next independent picture', () => {
  const gate = gateOf(1000)
  let dropped = 0
  for (let n = 0; n < 60; n++) {
    dropped += gate.push('video', picture(n, 100), videoConfig, 0)
    expect(gate.sizeBytes).toBeLessThanOrEqual(1000)
  }
  // Ten of each second fit; the eleventh lets them go, and all up to the next second's first.
  expect(dropped).toBe(50)
  expect(gate.reset()).toBe(10)
})

test('while no picture comes, only the newest sound is kept', () => {
  const gate = gateOf()
  for (let n = 0; n < 10_000; n++) gate.push('audio', sound(n), audioConfig, 0)
  expect(gate.sizeBytes).toBeLessThan(300)
})
