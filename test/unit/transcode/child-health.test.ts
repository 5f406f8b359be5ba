import { expect, test } from 'vitest'
import { ChildHealth } from '../../../src/transcode/child-health.ts'

const options = { stallMs: 5000, lagBudgetMs: 3000, heldFrames: 20 }

/** Pictures at 25 a second for `ms`; `output` says what comes out beside each. */
function feed(health: ChildHealth, fromMs: number, ms: number, output: (nowMs: number) => number | undefined): void {
  for (let nowMs = fromMs; nowMs < fromMs + ms; nowMs += 40) {
    health.inputWritten('video', nowMs, nowMs)
    const ptsMs = output(nowMs)
    if (ptsMs !== undefined) health.outputSeen('video', ptsMs)
  }
}

test('a child that keeps up is well', () => {
  const health = new ChildHealth(options)
  feed(health, 0, 20_000, (nowMs) => nowMs - 300)
  expect(health.verdict(20_000)).toBe('well')
  expect(health.lagMs).toBe(300)
  expect(health.producedMs).toBe(19_660)
})

test('no output while input is written is a stall; no input is none', () => {
  const health = new ChildHealth(options)
  feed(health, 0, 2000, (nowMs) => nowMs)
  expect(health.verdict(60_000)).toBe('well')
  feed(health, 60_000, 2000, () => undefined)
  expect(health.verdict(64_900)).toBe('well')
  expect(health.verdict(65_100)).toBe('stalled')
})

test('a slow source whose few frames the encoder holds by right is no stall', () => {
  const health = new ChildHealth(options)
  for (let n = 0; n < 20; n++) health.inputWritten('video', n * 1000, n * 1000)
  expect(health.verdict(20_000)).not.toBe('stalled')
  health.inputWritten('video', 20_000, 20_000)
  expect(health.verdict(20_001)).toBe('stalled')
})

test('sound that goes in and does not come out is told apart', () => {
  const health = new ChildHealth(options)
  for (let nowMs = 0; nowMs < 6000; nowMs += 20) {
    health.inputWritten('audio', nowMs, nowMs)
    health.inputWritten('video', nowMs, nowMs)
    health.outputSeen('video', nowMs)
  }
  expect(health.verdict(6000)).toBe('audio-silent')
})

test('a lag that grows is told after a second, one that shrinks is left alone', () => {
  const slow = new ChildHealth(options)
  feed(slow, 0, 10_000, (nowMs) => nowMs / 2)
  expect(slow.verdict(10_000)).toBe('well')
  feed(slow, 10_000, 1000, (nowMs) => nowMs / 2)
  expect(slow.verdict(11_000)).toBe('behind')

  const burst = new ChildHealth(options)
  for (let ms = 0; ms < 10_000; ms += 40) burst.inputWritten('video', ms, 0)
  for (let nowMs = 250; nowMs < 8000; nowMs += 250) {
    burst.outputSeen('video', nowMs * 1.5)
    expect(burst.verdict(nowMs)).toBe('well')
  }
})

test('a lag without any output is a stall in the making, not a slow machine', () => {
  const health = new ChildHealth(options)
  feed(health, 0, 1000, (nowMs) => nowMs)
  for (let at = 1000; at < 5900; at += 250) {
    feed(health, at, 250, () => undefined)
    expect(health.verdict(at + 250)).toBe('well')
  }
})
