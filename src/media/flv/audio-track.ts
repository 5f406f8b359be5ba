import { aacConfig } from '../codecs/aac.ts'
import { ac3Config } from '../codecs/ac3.ts'
import { eac3Config } from '../codecs/eac3.ts'
import { flacConfig } from '../codecs/flac.ts'
import { mp3Config, mp3ConfigKey } from '../codecs/mp3.ts'
import { defaultOpusConfig, opusConfig } from '../codecs/opus.ts'
import type { AudioCodec, AudioConfig, Contribution } from '../media.ts'
import { sameConfig } from '../same-config.ts'

/** One audio track of a session: what its encoder announced last, and its messages turned into contributions. */
export class AudioTrack {
  readonly #id: number
  #codec: AudioCodec | undefined
  #config: AudioConfig | undefined
  /** The header bits that the last self-describing frame's configuration was made of. */
  #key = -1

  constructor(id: number) {
    this.#id = id
  }

  /**
   * Takes a sequence header. The bytes are copied: they outlive their message. MP3, AC-3 and E-AC-3 have none by the
   * specification, so theirs are ignored; an empty one for Opus means mono or stereo.
   */
  start(codec: AudioCodec, body: Uint8Array, out: Contribution[]): void {
    switch (codec) {
      case 'aac':
        this.#announce(aacConfig(new Uint8Array(body)), out)
        return
      case 'opus':
        this.#announce(body.byteLength === 0 ? defaultOpusConfig() : opusConfig(body), out)
        return
      case 'flac':
        this.#announce(flacConfig(body), out)
        return
      case 'mp3':
      case 'ac3':
      case 'eac3':
        this.#select(codec)
    }
  }

  /** Takes a coded frame; an empty one is dropped. AAC and FLAC frames before their sequence header are given all the same. */
  frame(codec: AudioCodec, dtsMs: number, data: Uint8Array, out: Contribution[]): void {
    if (data.byteLength === 0) return
    this.#select(codec)
    if (codec !== 'aac' && codec !== 'flac') this.#describeItself(codec, data, out)
    out.push({
      type: 'frame',
      kind: 'audio',
      trackId: this.#id,
      dtsMs,
      compositionMs: 0,
      independent: true,
      data,
    })
  }

  end(out: Contribution[]): void {
    out.push({ type: 'sequence-end', kind: 'audio', trackId: this.#id })
  }

  #describeItself(codec: 'mp3' | 'opus' | 'ac3' | 'eac3', data: Uint8Array, out: Contribution[]): void {
    if (codec === 'opus') {
      if (this.#config === undefined) this.#announce(defaultOpusConfig(), out)
      return
    }
    const key = configKey(codec, data)
    if (key === this.#key) return
    const config = codec === 'mp3' ? mp3Config(data) : codec === 'ac3' ? ac3Config(data) : eac3Config(data)
    this.#announce(config, out)
    this.#key = key
  }

  #select(codec: AudioCodec): void {
    if (this.#codec === codec) return
    this.#codec = codec
    this.#config = undefined
    this.#key = -1
  }

  #announce(config: AudioConfig, out: Contribution[]): void {
    this.#select(config.codec)
    if (sameConfig(this.#config, config)) return
    this.#config = config
    out.push({ type: 'config', trackId: this.#id, config })
  }
}

/** What of a frame's head can change its configuration, so that it is parsed again only when it does. -1 is never kept. */
function configKey(codec: 'mp3' | 'ac3' | 'eac3', data: Uint8Array): number {
  if (codec === 'mp3') return mp3ConfigKey(data)
  if (data.byteLength < 8) return -1
  const fifth = data[4] ?? 0
  const sixth = data[5] ?? 0
  // AC-3: at 44.1 kHz the lowest bit of the frame size alternates. E-AC-3: rate, blocks, mode, LFE; then the identification.
  return codec === 'ac3' ? ((fifth & 0xfe) << 16) | (sixth << 8) | (data[6] ?? 0) : (fifth << 8) | (sixth & 0xf8)
}
