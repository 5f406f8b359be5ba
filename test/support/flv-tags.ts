import { ByteWriter, concatBytes } from '../../src/lib/bytes.ts'

const EMPTY = new Uint8Array(0)

/** Packet types of Enhanced RTMP v2, as the specification numbers them. */
export const exVideoTypes = {
  sequenceStart: 0,
  codedFrames: 1,
  sequenceEnd: 2,
  codedFramesX: 3,
  metadata: 4,
  mpeg2TsSequenceStart: 5,
} as const
export const exAudioTypes = { sequenceStart: 0, codedFrames: 1, sequenceEnd: 2, multichannelConfig: 4 } as const

const MOD_EX = 7
const layouts = { one: 0, many: 1, 'many-codecs': 2 } as const

export type ExTrack = { readonly trackId: number; readonly fourCc: string; readonly body: Uint8Array }

export type ExTag = {
  readonly packetType: number
  /** 1 key, 2 inter, 5 command; video only. */
  readonly frameType?: number
  /** Adds a ModEx with this nanosecond offset. */
  readonly nanos?: number
} & (
  | { readonly fourCc: string; readonly body?: Uint8Array }
  | { readonly layout: keyof typeof layouts; readonly tracks: readonly ExTrack[] }
)

/** A legacy AVC (codec id 7) or HEVC (12) tag body. */
export function legacyVideo(
  packetType: 0 | 1 | 2,
  body: Uint8Array,
  options: { readonly codecId?: number; readonly key?: boolean; readonly compositionMs?: number } = {},
): Uint8Array {
  const { codecId = 7, key = true, compositionMs = 0 } = options
  return concatBytes([Uint8Array.of(((key ? 1 : 2) << 4) | codecId, packetType), signed24(compositionMs), body])
}

/** A legacy AAC tag body: 44 kHz, 16 bits, stereo, as the specification wants it for every AAC. */
export function legacyAac(packetType: 0 | 1, body: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(0xaf, packetType), body])
}

/** A legacy MP3 tag body. */
export function legacyMp3(body: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(0x2f), body])
}

/** A tag body with ExVideoTagHeader. */
export function exVideo(tag: ExTag): Uint8Array {
  return exTag(0x80 | ((tag.frameType ?? 1) << 4), 6, tag)
}

/** A tag body with ExAudioTagHeader. */
export function exAudio(tag: ExTag): Uint8Array {
  return exTag(9 << 4, 5, tag)
}

function exTag(firstBits: number, multitrackType: number, tag: ExTag): Uint8Array {
  const out = new ByteWriter(1024)
  const type = 'layout' in tag ? multitrackType : tag.packetType
  if (tag.nanos === undefined) {
    out.u8(firstBits | type)
  } else {
    out.u8(firstBits | MOD_EX)
    out.u8(3 - 1)
    out.u24(tag.nanos)
    out.u8(type)
  }
  if ('layout' in tag) writeTracks(out, tag)
  else {
    out.ascii(tag.fourCc)
    out.append(tag.body ?? EMPTY)
  }
  return out.finish()
}

function writeTracks(out: ByteWriter, tag: Extract<ExTag, { layout: string }>): void {
  out.u8((layouts[tag.layout] << 4) | tag.packetType)
  if (tag.layout !== 'many-codecs') out.ascii(tag.tracks[0]!.fourCc)
  for (const track of tag.tracks) {
    if (tag.layout === 'many-codecs') out.ascii(track.fourCc)
    out.u8(track.trackId)
    if (tag.layout !== 'one') out.u24(track.body.byteLength)
    out.append(track.body)
  }
}

/** A composition time and the coded bytes, as CodedFrames of avc1 and hvc1 want it. */
export function withComposition(compositionMs: number, data: Uint8Array): Uint8Array {
  return concatBytes([signed24(compositionMs), data])
}

function signed24(value: number): Uint8Array {
  return Uint8Array.of((value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff)
}
