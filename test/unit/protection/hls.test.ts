import { createDecipheriv } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AudioConfig, CodecConfig } from '../../../src/media/media.ts'
import { encryptedStream } from '../../../src/media/mpegts/encrypted-stream.ts'
import { timestampTag } from '../../../src/media/mpegts/timestamp-tag.ts'
import { packedForm } from '../../../src/packaging/packed-audio.ts'
import type { SampleStage } from '../../../src/packaging/sample-stage.ts'
import type { SegmentPackaging } from '../../../src/packaging/segment-packaging.ts'
import { keyFramePackaging, stagedTransport, transportPackaging } from '../../../src/packaging/transport-packaging.ts'
import { encryptPackedAudio, encryptTransportStream } from '../../../src/protection/hls/sample-aes.ts'
import { encryptedSize, encryptSegment, SegmentCipher, sequenceIv } from '../../../src/protection/hls/segment-cipher.ts'
import { decodedOf, IV, KEY, KID } from '../../support/protected-media.ts'
import { encode, encodeAudio, encodeVideo, type Media, Recording } from '../../support/recording.ts'
import { checkSegments } from '../../support/ts-checker.ts'

const key = { key: KEY, iv: IV }
const stage: SampleStage = {
  name: 'sample-aes',
  stream: (stream, config) => encryptTransportStream(stream, config, key),
  packed: (frames, config) => encryptPackedAudio(frames, config, key),
}

describe('whole segments', () => {
  it('are decrypted by whoever has the key, in pieces or at once', () => {
    const pieces = fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 60_000, max: 140_000 })), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(pieces, (sizes) => {
        const clear = sizes.map((size, at) => Buffer.alloc(size, `${at} piece `))
        const whole = Buffer.concat(clear)
        const taken: number[] = []
        const encrypted = encryptSegment(clear, key, (size) => {
          taken.push(size)
          return Buffer.alloc(size, 0xee)
        })
        expect(taken).toEqual([encryptedSize(whole.length)])
        const decipher = createDecipheriv('aes-128-cbc', KEY, IV)
        expect(Buffer.concat([decipher.update(encrypted), decipher.final()]).equals(whole)).toBe(true)
        const cipher = new SegmentCipher(key)
        const streamed = Buffer.concat([...clear.map((piece) => cipher.update(piece)), cipher.finish()])
        expect(streamed.equals(encrypted)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('have their number for an IV where none is said', () => {
    expect(Buffer.from(sequenceIv(0x1_0000_0203)).toString('hex')).toBe('00000000000000000000000100000203')
    expect(() => sequenceIv(-1)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })
})

describe('SAMPLE-AES', () => {
  let folder: string
  const media: Record<string, Media> = {}
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'headend-hls-'))
    media['avc'] = encodeVideo(2, '160x90', '-b:v', '700k')
    media['aac'] = encodeAudio(2)
    media['ac3'] = encode('-f', 'lavfi', '-i', 'sine=f=500:r=48000:d=2', '-ac', '2', '-c:a', 'ac3', '-b:a', '192k')
    media['eac3'] = encode('-f', 'lavfi', '-i', 'sine=f=500:r=48000:d=2', '-ac', '2', '-c:a', 'eac3', '-b:a', '192k')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** The segments of these tracks together, in one container. */
  function packaged(codecs: readonly string[], packaging: SegmentPackaging): Uint8Array[] {
    const stretches = codecs.map((codec) => {
      const each = media[codec]!
      return { rendition: `${each.config.kind}-1`, media: each, atSeconds: 0 }
    })
    const { presentation, bytes } = new Recording(stretches, { segmentSeconds: 1, startSeconds: 1_000 })
    return [0, 1].map((sequence) =>
      packaging.package({
        header: { ...presentation.header, timeBaseTicks: 1_000 * 90_000 },
        row: presentation.segment(sequence)!,
        media: presentation.renditions.map(({ index }) => {
          const segment = presentation.renditionSegment(index, sequence)!
          const fragments = [bytes.get(`${index}/${sequence}`)!]
          return { track: presentation.track(segment.track)!, segment, fragments }
        }),
      }),
    )
  }

  /** What ffmpeg makes of a playlist of them. */
  function played(
    segments: readonly Uint8Array[],
    extension: string,
    keyLine?: string,
    value = KEY,
  ): Promise<string[]> {
    const own = mkdtempSync(join(folder, 'list-'))
    writeFileSync(join(own, 'key'), value)
    const lines = segments.flatMap((segment, index) => {
      writeFileSync(join(own, `${index}.${extension}`), segment)
      return ['#EXTINF:1,', `${index}.${extension}`]
    })
    const playlist = ['#EXTM3U', '#EXT-X-VERSION:5', '#EXT-X-TARGETDURATION:2', ...(keyLine ? [keyLine] : []), ...lines]
    writeFileSync(join(own, 'list.m3u8'), [...playlist, '#EXT-X-ENDLIST', ''].join('\n'))
    const input = ['-allowed_extensions', 'ALL', '-i', join(own, 'list.m3u8')]
    // ffmpeg 5.1 leaves the last samples of a playlist encrypted.
    return decodedOf(['-v', 'error', ...input, '-map', '0', '-t', '1.8', '-f', 'framemd5', '-'], new Uint8Array(0))
  }

  const iv = `IV=0x${Buffer.from(IV).toString('hex')}`

  it('in transport streams is what ffmpeg decrypts, AES-128 too', async () => {
    const clear = packaged(['avc', 'aac'], transportPackaging)
    const frames = await played(clear, 'ts')
    expect(frames.length).toBeGreaterThan(100)
    const encrypted = packaged(['avc', 'aac'], stagedTransport('segment', stage))
    const line = `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key",${iv}`
    expect(await played(encrypted, 'ts', line)).toEqual(frames)
    expect(await played(encrypted, 'ts', line, KID)).not.toEqual(frames)
    // Whole segments in AES-128, as many players have it.
    const whole = clear.map((segment, sequence) => encryptSegment([segment], { key: KEY, iv: sequenceIv(sequence) }))
    expect(await played(whole, 'ts', '#EXT-X-KEY:METHOD=AES-128,URI="key"')).toEqual(frames)
    expect(await played(whole, 'ts', '#EXT-X-KEY:METHOD=AES-128,URI="key"', KID)).not.toEqual(frames)
  }, 60_000)

  it('in packed AAC is what ffmpeg decrypts', async () => {
    const { config } = media['aac']!
    const clear = await played(packaged(['aac'], packedForm(config).packaging), 'aac')
    expect(clear.length).toBeGreaterThan(60)
    const encrypted = packaged(['aac'], packedForm(config, stage).packaging)
    expect(await played(encrypted, 'aac', `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key",${iv}`)).toEqual(clear)
  }, 60_000)

  // ffmpeg 5.1 passes these on as they are.
  it.each(['ac3', 'eac3'])('in packed %s leaves sixteen bytes of each frame clear', (codec) => {
    const { config } = media[codec]!
    const [clear] = packaged([codec], packedForm(config).packaging)
    const [encrypted] = packaged([codec], packedForm(config, stage).packaging)
    const [plain, secret] = [framesOf(clear!), framesOf(encrypted!)]
    expect(secret).toHaveLength(plain.length)
    const frameBytes = media[codec]!.samples[0]!.data.byteLength
    for (let at = 0; at + frameBytes <= plain.length; at += frameBytes) {
      const body = secret.subarray(at + 16, at + 16 + Math.floor((frameBytes - 16) / 16) * 16)
      const decipher = createDecipheriv('aes-128-cbc', KEY, IV).setAutoPadding(false)
      decipher.update(body).copy(secret, at + 16)
    }
    expect(secret.equals(plain)).toBe(true)
  })

  it('keeps transport streams without fault, and names what is in them', () => {
    for (const audio of ['aac', 'ac3', 'eac3']) {
      const { streams, violations } = checkSegments(packaged(['avc', audio], stagedTransport('segment', stage)))
      expect(violations).toEqual([])
      const said = streams.map(({ streamType, descriptors }) => [streamType, descriptors.toString('hex')])
      const named: Record<string, unknown> = {
        aac: [0xcf, /^0f0461616364 0511 61706164 7a616163 0000 01 05 1190/],
        ac3: [0xc1, /^0f0461633364 0516 61706164 7a616333 0000 01 0a 0b770000 14 40 40/],
        eac3: [0xc2, /^0f0465633364 0511 61706164 7a656333 0000 01 05/],
      }
      expect(said[0]).toEqual([0xdb, '0f047a617663'])
      const [type, text] = named[audio] as [number, RegExp]
      expect(said[1]![0]).toBe(type)
      expect(said[1]![1]).toMatch(new RegExp(text.source.replaceAll(' ', '').replace(/05 ?1190/, '0[0-9a-f]11')))
    }
    const pictures = packaged(['avc'], stagedTransport('key-frame', stage))
    expect(checkSegments(pictures, { contiguous: false }).violations).toEqual([])
    expect(pictures[0]!.byteLength).toBeGreaterThanOrEqual(packaged(['avc'], keyFramePackaging)[0]!.byteLength)
  })

  it('has no place for what Apple gives none', () => {
    const config = { ...media['aac']!.config, codec: 'mp3', codecString: 'mp3' } as AudioConfig
    const refused = expect.objectContaining({ code: 'MEDIA_UNSUPPORTED' })
    expect(() => encryptedStream(config)).toThrow(refused)
    expect(() => encryptedStream({ ...media['avc']!.config, codec: 'hevc' } as CodecConfig)).toThrow(refused)
    expect(() => encryptPackedAudio([], config, key)).toThrow(refused)
  })

  it('tags count their sizes in seven bits', () => {
    const setup = Buffer.alloc(90, 1)
    const tag = timestampTag(5, setup)
    expect((tag[8]! << 7) | tag[9]!).toBe(tag.length - 10)
    expect(tag.subarray(-90)).toEqual(setup)
    expect(timestampTag(5)).toHaveLength(73)
  })
})

/** What stands behind the tag of packed audio. */
function framesOf(segment: Uint8Array): Buffer {
  const bytes = Buffer.from(segment)
  return bytes.subarray(10 + ((bytes[8]! << 7) | bytes[9]!))
}
