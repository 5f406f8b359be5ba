import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/lib/errors.ts'
import { FlvDemuxer } from '../../../../src/media/flv/demuxer.ts'
import { encode, picture, tone, videoEncoders } from '../../../support/flv-encoded.ts'
import type { FlvMessage } from '../../../support/flv-file.ts'
import { enhancedMessages, legacyMessages } from '../../../support/flv-publish.ts'

const CODES = new Set(['FORMAT_INVALID', 'MEDIA_UNSUPPORTED', 'LIMIT_EXCEEDED'])

/** One session's demuxer must take anything in any order: contributions or one of its errors, and its input left alone. */
function survives(demuxer: FlvDemuxer, messageType: 8 | 9, payload: Uint8Array): void {
  const before = Uint8Array.from(payload)
  try {
    for (const each of demuxer.read(messageType, 1000, payload)) {
      if (each.type === 'frame') expect(each.data.byteLength).toBeGreaterThan(0)
      if (each.type === 'config' && each.config.kind === 'video') expect(each.config.width).toBeGreaterThan(0)
      if (each.type === 'config' && each.config.kind === 'audio') expect(each.config.sampleRate).toBeGreaterThan(0)
    }
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(AppError)
    expect(CODES).toContain((thrown as AppError).code)
  }
  expect(Buffer.compare(before, payload)).toBe(0)
}

/** Real messages of every codec, legacy and enhanced, plain and multitrack: the first three of each, starts included. */
function realMessages(): FlvMessage[] {
  const video = Object.values(videoEncoders).map(
    (encoder) => encode([...picture('64x64', '25', 0.1), ...encoder]).tracks[0]!,
  )
  const audio = ['aac', 'libmp3lame', 'libopus', 'flac', 'ac3', 'eac3'].map(
    (encoder) => encode([...tone(48_000, 2, 0.1), '-c:a', encoder]).tracks[0]!,
  )
  const legacy = [video[0]!, video[1]!, audio[0]!, audio[1]!].map((track) => legacyMessages(track))
  const enhanced = [...video, ...audio].flatMap((track) => {
    const options = track.entry === 'mp4a' && track.record.byteLength === 0 ? { fourCc: '.mp3' } : {}
    return [enhancedMessages(track, options), enhancedMessages(track, { ...options, trackId: 1 })]
  })
  return [...legacy, ...enhanced].flatMap((messages) => messages.slice(0, 3))
}

const messages = realMessages()
const typeArbitrary = fc.constantFrom(8 as const, 9 as const)

describe('hostile messages', () => {
  it('the real ones are all read', () => {
    const demuxer = new FlvDemuxer()
    for (const { messageType, payload } of messages) demuxer.read(messageType as 8 | 9, 0, payload)
    expect(messages.length).toBeGreaterThan(60)
  })

  it('random bytes, one demuxer throughout', () => {
    const demuxer = new FlvDemuxer()
    fc.assert(
      fc.property(typeArbitrary, fc.uint8Array({ maxLength: 64 }), (messageType, payload) =>
        survives(demuxer, messageType, payload),
      ),
      { numRuns: 5000 },
    )
  })

  it('random bodies behind every kind of header', () => {
    const demuxer = new FlvDemuxer()
    const head = fc.constantFrom(
      ...messages.map(({ messageType, payload }) => ({ messageType, bytes: payload.subarray(0, 12) })),
    )
    fc.assert(
      fc.property(head, fc.nat(12), fc.uint8Array({ maxLength: 48 }), ({ messageType, bytes }, kept, rest) =>
        survives(demuxer, messageType as 8 | 9, Uint8Array.from([...bytes.subarray(0, kept), ...rest])),
      ),
      { numRuns: 5000 },
    )
  })

  it('real ones truncated', () => {
    for (const { messageType, payload } of messages) {
      const demuxer = new FlvDemuxer()
      const step = Math.max(1, Math.floor(payload.byteLength / 150))
      for (let size = 0; size < payload.byteLength; size += size < 40 ? 1 : step) {
        survives(demuxer, messageType as 8 | 9, payload.slice(0, size))
      }
    }
  })

  it('real ones with changed bytes, in any order', () => {
    const demuxer = new FlvDemuxer({ maxTracks: 4 })
    const change = fc.tuple(fc.nat(79), fc.nat(255))
    fc.assert(
      fc.property(
        fc.constantFrom(...messages),
        fc.array(change, { maxLength: 4 }),
        ({ messageType, payload }, changes) => {
          const bytes = Uint8Array.from(payload)
          for (const [at, value] of changes) if (at < bytes.byteLength) bytes[at] = value
          survives(demuxer, messageType as 8 | 9, bytes)
        },
      ),
      { numRuns: 4000 },
    )
  })
})
