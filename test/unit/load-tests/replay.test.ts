import { describe, expect, it } from 'vitest'
import { buildReplay, headerAt, ReplayCursor, repeatLoop } from '../../../load-tests/replay.ts'
import { ChunkReader } from '../../../src/media/rtmp/chunk-reader.ts'
import type { FlvMessage } from '../../support/flv-file.ts'

const video = (timestampMs: number, bytes: number, packetType = 1, frameType = 2): FlvMessage => ({
  messageType: 9,
  timestampMs,
  payload: Uint8Array.from({ length: bytes }, (_, i) =>
    i === 0 ? (frameType << 4) | 7 : i === 1 ? packetType : timestampMs + i,
  ),
})
const audio = (timestampMs: number, packetType = 1): FlvMessage => ({
  messageType: 8,
  timestampMs,
  payload: Uint8Array.of(0xaf, packetType, timestampMs),
})

const file: FlvMessage[] = [
  { messageType: 18, timestampMs: 0, payload: Uint8Array.of(2) },
  video(0, 40, 0, 1),
  audio(0, 0),
  // Without sound, and before a key frame.
  video(0, 500, 1, 1),
  audio(1),
  video(3, 50),
  video(5, 9_000, 1, 1),
  audio(15),
  video(38, 300),
  audio(36),
  // In the next loop already.
  video(105, 300, 1, 1),
  audio(105),
]
const LOOP_MS = 100

describe('repeatLoop', () => {
  it('sends headers once, and the loop again and again with running times', () => {
    const repeated = repeatLoop(file, LOOP_MS, 3)
    expect(repeated.map(({ messageType, timestampMs }) => [messageType, timestampMs])).toEqual([
      [9, 0],
      [8, 0],
      ...[0, 100, 200].flatMap((at) => [
        [9, at],
        [8, at + 10],
        [9, at + 33],
        [8, at + 31],
      ]),
    ])
  })
})

describe('ReplayCursor', () => {
  it.each([128, 4_096, 60_000])('gives chunks of %i bytes that are the messages, two loops long', (chunkSize) => {
    const replay = buildReplay(file, LOOP_MS, chunkSize)
    const cursor = new ReplayCursor(replay)
    const got: FlvMessage[] = []
    const limits = { maxChunkStreams: 8, maxMessageBytes: 1 << 20, maxPartialBytes: 1 << 20 }
    const reader = new ChunkReader(limits, (type, timestampMs, streamId, payload) => {
      expect(streamId).toBe(1)
      got.push({ messageType: type as 8 | 9, timestampMs, payload: Uint8Array.from(payload) })
    })
    reader.setChunkSize(chunkSize)
    for (const message of replay.intro) {
      reader.push(headerAt(message, 0))
      reader.push(message.body)
    }
    const due: number[] = []
    for (let i = 0; i < 8; i++) {
      due.push(cursor.dueMs)
      for (const bytes of cursor.take()) reader.push(bytes)
    }
    expect(got).toEqual(repeatLoop(file, LOOP_MS, 2))
    expect(due).toEqual([0, 10, 33, 31, 100, 110, 133, 131])
  })

  it('refuses a loop without media, and times that need an extended timestamp', () => {
    expect(() => new ReplayCursor(buildReplay(file, 0, 128))).toThrow(/nothing/)
    const [message] = buildReplay(file, LOOP_MS, 128).loop
    expect(() => headerAt(message!, 0xffffff)).toThrow(/half hours/)
  })
})
