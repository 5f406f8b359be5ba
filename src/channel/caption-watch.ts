import { type CaptionScan, type CaptionService, captionScanOf } from '../media/codecs/captions.ts'
import type { CodecConfig } from '../media/media.ts'

/** Pictures that are looked at; a track is described earlier than that but where nothing of it can be let go. */
const MAX_PICTURES = 300

/** What captions the first pictures of a track carry, until it is described. */
export class CaptionWatch {
  readonly #scan: CaptionScan | undefined
  #left = MAX_PICTURES

  constructor(config: CodecConfig) {
    this.#scan = captionScanOf(config)
  }

  /** Found so far. */
  get services(): readonly CaptionService[] {
    return this.#scan?.services ?? []
  }

  look(data: Uint8Array): void {
    if (this.#left <= 0) return
    this.#left--
    this.#scan?.add(data)
  }

  /** The track was described: what comes now changes nothing. */
  end(): void {
    this.#left = 0
  }
}
