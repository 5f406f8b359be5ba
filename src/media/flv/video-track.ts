import { equalBytes } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'
import { av1Config, readAv1Unit } from '../codecs/av1.ts'
import { avcConfig, avcRecordFromAnnexB, parseAvcRecord } from '../codecs/avc.ts'
import { hevcConfig, parseHevcRecord } from '../codecs/hevc.ts'
import { holdsIdr, holdsIrap, joinLengthPrefixed, splitAnnexB, startsWithStartCode } from '../codecs/nal-units.ts'
import { readVp9Header, vp9Config, vp9RecordPayload } from '../codecs/vp9.ts'
import type { Contribution, VideoCodec, VideoConfig } from '../media.ts'
import { sameConfig } from '../same-config.ts'

const USUAL_LENGTH_SIZE = 4

/** One video track of a session: what its encoder announced last, and its messages turned into contributions. */
export class VideoTrack {
  readonly #id: number
  #codec: VideoCodec | undefined
  #config: VideoConfig | undefined
  /** A record that lacks the picture's size, until a key frame tells it (VP9 always, AV1 without configOBUs). */
  #record: Uint8Array | undefined
  #lengthSize = USUAL_LENGTH_SIZE

  constructor(id: number) {
    this.#id = id
  }

  /** Takes a sequence header. The bytes are copied: they outlive their message. A broken one changes nothing. */
  start(codec: VideoCodec, body: Uint8Array, out: Contribution[]): void {
    switch (codec) {
      case 'avc': {
        // Broken encoders put parameter sets with start codes here; a real record begins with 1.
        const record = startsWithStartCode(body) ? avcRecordFromAnnexB(body) : new Uint8Array(body)
        const config = avcConfig(record)
        this.#lengthSize = parseAvcRecord(record).lengthSize
        this.#announce(config, out)
        return
      }
      case 'hevc': {
        const record = new Uint8Array(body)
        const config = hevcConfig(record)
        this.#lengthSize = parseHevcRecord(record).lengthSize
        this.#announce(config, out)
        return
      }
      case 'av1': {
        const record = new Uint8Array(body)
        const config = av1Config(record)
        this.#select(codec)
        if (config === undefined) this.#record = record
        else this.#announce(config, out)
        return
      }
      case 'vp9': {
        const record = vp9RecordPayload(body)
        this.#select(codec)
        this.#record = record
      }
    }
  }

  /** Takes a coded picture; an empty one is dropped. */
  frame(codec: VideoCodec, dtsMs: number, compositionMs: number, data: Uint8Array, out: Contribution[]): void {
    if (data.byteLength === 0) return
    this.#select(codec)
    switch (codec) {
      case 'avc':
      case 'hevc':
        this.#nalFrame(codec, dtsMs, compositionMs, data, out)
        return
      case 'av1': {
        const unit = readAv1Unit(data, 'flv/video/av01')
        if (this.#record !== undefined && unit.sequence !== undefined) {
          const config = av1Config(this.#record, unit.sequence)
          if (config !== undefined) this.#announce(config, out)
        }
        if (unit.data.byteLength > 0) this.#push(dtsMs, compositionMs, unit.independent, unit.data, out)
        return
      }
      case 'vp9': {
        const header = readVp9Header(data, 'flv/video/vp09')
        if (header.key) this.#sizeKnown(header.width, header.height, out)
        this.#push(dtsMs, compositionMs, header.key, data, out)
      }
    }
  }

  end(out: Contribution[]): void {
    out.push({ type: 'sequence-end', kind: 'video', trackId: this.#id })
  }

  /**
   * The NAL types decide whether the picture is a random access point, not FLV's frame type: encoders flag open-GOP I pictures
   * as key frames. Bytes that are no length-prefixed units but begin with a start code are Annex B from a broken
   * encoder, and converted; the lengths are tried first because 00 00 01 xx is also a length of 256 to 511.
   */
  #nalFrame(codec: 'avc' | 'hevc', dtsMs: number, compositionMs: number, data: Uint8Array, out: Contribution[]): void {
    let sample = data
    let independent = this.#randomAccess(codec, sample)
    if (independent === undefined && startsWithStartCode(data)) {
      sample = joinLengthPrefixed(splitAnnexB(data), this.#lengthSize, 'flv/video')
      independent = this.#randomAccess(codec, sample)
      if (sample.byteLength === 0) return
    }
    if (independent === undefined)
      throw new FormatError('flv/video', 0, 'NAL unit lengths that do not fill the message')
    this.#push(dtsMs, compositionMs, independent, sample, out)
  }

  #randomAccess(codec: 'avc' | 'hevc', sample: Uint8Array): boolean | undefined {
    return codec === 'avc' ? holdsIdr(sample, this.#lengthSize) : holdsIrap(sample, this.#lengthSize)
  }

  #sizeKnown(width: number, height: number, out: Contribution[]): void {
    const config = this.#config
    const record = this.#record
    if (record === undefined) return
    if (config?.width === width && config.height === height && equalBytes(config.record, record)) return
    this.#announceKeeping(vp9Config(record, width, height), out)
  }

  #select(codec: VideoCodec): void {
    if (this.#codec === codec) return
    this.#codec = codec
    this.#config = undefined
    this.#record = undefined
    this.#lengthSize = USUAL_LENGTH_SIZE
  }

  #announce(config: VideoConfig, out: Contribution[]): void {
    this.#record = undefined
    this.#announceKeeping(config, out)
  }

  #announceKeeping(config: VideoConfig, out: Contribution[]): void {
    this.#codec = config.codec
    if (sameConfig(this.#config, config)) return
    this.#config = config
    out.push({ type: 'config', trackId: this.#id, config })
  }

  #push(dtsMs: number, compositionMs: number, independent: boolean, data: Uint8Array, out: Contribution[]): void {
    out.push({ type: 'frame', kind: 'video', trackId: this.#id, dtsMs, compositionMs, independent, data })
  }
}
