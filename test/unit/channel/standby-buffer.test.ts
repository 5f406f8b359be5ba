import { describe, expect, it } from 'vitest'
import { type Frame, StandbyBuffer } from '../../../src/channel/redundancy/standby-buffer.ts'

function frame(kind: 'video' | 'audio', independent: boolean, sizeBytes: number): Frame {
  return { type: 'frame', kind, trackId: 0, dtsMs: 0, compositionMs: 0, independent, data: new Uint8Array(sizeBytes) }
}

const never = () => false

function filled(
  seconds: number,
  options: { readonly gopMs?: number; readonly sizeBytes?: number; readonly isNeeded?: (ms: number) => boolean } = {},
) {
  const { gopMs = 2_000, sizeBytes = 100, isNeeded = never } = options
  const done: Uint8Array[] = []
  const buffer = new StandbyBuffer((data) => void done.push(data))
  let sent = 0
  for (let ms = 0; ms < seconds * 1_000; ms += 40) {
    sent++
    const held = { frame: frame('video', ms % gopMs === 0, sizeBytes), ms, arrivedMs: ms }
    buffer.add(held, (oldest) => isNeeded(oldest.ms))
  }
  return { buffer, done, sent }
}

describe('StandbyBuffer', () => {
  it('keeps the GOP that is coming in and the one before', () => {
    const { buffer, done, sent } = filled(60)
    expect(buffer.frames[0]?.ms).toBe(56_000)
    expect(buffer.frames).toHaveLength(100)
    expect(done).toHaveLength(sent - 100)
    expect(buffer.sizeBytes).toBe(10_000)
  })

  it('keeps what the one on the air has not brought, for ten seconds at most', () => {
    expect(filled(60, { isNeeded: (ms) => ms > 53_000 }).buffer.frames[0]?.ms).toBe(53_040)
    expect(filled(60, { isNeeded: () => true }).buffer.frames[0]?.ms).toBe(49_960)
  })

  it('keeps ten seconds of an encoder without key frames, and never more than 32 MiB', () => {
    expect(filled(60, { gopMs: 3_600_000 }).buffer.frames[0]?.ms).toBe(49_960)
    const { buffer, done, sent } = filled(20, { gopMs: 3_600_000, sizeBytes: 2 ** 20 })
    expect(buffer.sizeBytes).toBe(32 * 2 ** 20)
    expect(done).toHaveLength(sent - 32)
    buffer.clear()
    expect(done).toHaveLength(sent)
    expect(buffer.sizeBytes).toBe(0)
  })

  it('gives the newest key frame and what goes with it', () => {
    const buffer = new StandbyBuffer(() => undefined)
    const add = (kind: 'video' | 'audio', independent: boolean, ms: number) =>
      buffer.add({ frame: frame(kind, independent, 1), ms, arrivedMs: ms }, never)
    expect(buffer.fromNewestKeyFrame(true)).toEqual([])
    add('audio', true, 10)
    add('video', false, 20)
    expect(buffer.fromNewestKeyFrame(true)).toEqual([])
    // Sound may be sent a little ahead of the picture that it belongs to.
    add('audio', true, 45)
    add('video', true, 40)
    add('video', false, 80)
    add('audio', true, 66)
    expect(buffer.fromNewestKeyFrame(true).map(({ ms }) => ms)).toEqual([40, 45, 80, 66])
    expect(buffer.fromNewestKeyFrame(false).map(({ ms }) => ms)).toEqual([66])
  })
})
