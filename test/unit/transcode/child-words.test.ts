import { expect, test } from 'vitest'
import { ProgressReader } from '../../../src/transcode/progress.ts'
import { StderrTail } from '../../../src/transcode/stderr-tail.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test('progress is read block by block, cut anywhere', () => {
  const text =
    'frame=25\nfps=24.98\ndrop_frames=2\ndup_frames=0\nspeed=1.02x\nprogress=continue\nspeed=N/A\nprogress=end\n'
  for (const step of [1, 7, 1000]) {
    const reader = new ProgressReader()
    const blocks = []
    for (let at = 0; at < text.length; at += step) blocks.push(...reader.push(bytes(text.slice(at, at + step))))
    expect(blocks).toEqual([
      { speed: 1.02, fps: 24.98, framesDropped: 2, framesDuplicated: 0 },
      { speed: undefined, fps: undefined, framesDropped: 0, framesDuplicated: 0 },
    ])
  }
})

test('the newest fifty lines are kept, and no more than eight kilobytes', () => {
  const tail = new StderrTail()
  for (let i = 0; i < 200; i++) tail.push(bytes(`line ${i}\n`), i * 1000)
  expect(tail.lines().length).toBe(50)
  expect(tail.lines().at(-1)).toBe('line 199')
  for (let i = 0; i < 60; i++) tail.push(bytes(`${'x'.repeat(700)}\n`), 1e6 + i * 1000)
  expect(tail.lines().join('').length).toBeLessThanOrEqual(8192)
  tail.push(bytes('unfinished'), 2e6)
  expect(tail.lines().at(-1)).toBe('unfinished')
})

test('a flood is let go for the rest of its second', () => {
  const tail = new StderrTail()
  tail.push(bytes('a\n'.repeat(32_768)), 0)
  tail.push(bytes('lost\n'), 10)
  expect(tail.lines().at(-1)).toBe('a')
  tail.push(bytes('heard\n'), 1000)
  expect(tail.lines().at(-1)).toBe('heard')
})
