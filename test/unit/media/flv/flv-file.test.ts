import { describe, expect, it } from 'vitest'
import { encode, ffmpeg, picture, probe, tone, videoEncoders } from '../../../support/flv-encoded.ts'
import { readFlvFile, writeFlvFile } from '../../../support/flv-file.ts'
import { interleave, legacyMessages } from '../../../support/flv-publish.ts'

describe('the FLV files of the tests', () => {
  it('round trip, with timestamps past 24 bits', () => {
    const messages = [
      { messageType: 8, timestampMs: 0, payload: Uint8Array.of(0xaf, 0, 0x12, 0x10) },
      { messageType: 9, timestampMs: 0x12345678, payload: Uint8Array.of(0x17, 2, 0, 0, 0) },
      { messageType: 18, timestampMs: 0xffff_ffff, payload: Uint8Array.of(2, 0, 1, 65) },
    ] as const
    expect(readFlvFile(writeFlvFile(messages))).toEqual(messages)
  })

  it('of ffmpeg read back as the very file', () => {
    const codecs = [...videoEncoders.avc, '-c:a', 'aac', '-shortest']
    const file = ffmpeg([
      ...picture(),
      ...tone(),
      ...codecs,
      '-flvflags',
      'no_duration_filesize',
      '-f',
      'flv',
      'pipe:1',
    ])
    const messages = readFlvFile(file)
    expect(new Set(messages.map((message) => message.messageType))).toEqual(new Set([8, 9, 18]))
    expect(Buffer.compare(writeFlvFile(messages), file)).toBe(0)
  })

  it('of our messages are read by ffprobe', () => {
    const video = encode([...picture('98x54'), ...videoEncoders.avc]).tracks[0]!
    const audio = encode([...tone(44_100), '-c:a', 'aac']).tracks[0]!
    const file = writeFlvFile(interleave(legacyMessages(video), legacyMessages(audio)))
    expect(probe(file)).toMatchObject({ codec_name: 'h264', width: 98, height: 54 })
  })
})
