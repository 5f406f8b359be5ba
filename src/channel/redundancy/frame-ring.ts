import { hash } from 'node:crypto'
import type { Contribution } from '../../media/media.ts'

/** A coded frame, or what is left of it: enough to know it again. */
export type SeenFrame = {
  readonly digest: string
  /** Its decode time on the session's own clock, unrolled, in ms. */
  readonly ms: number
  readonly independent: boolean
  readonly arrivedMs: number
}

type Frame = Extract<Contribution, { readonly type: 'frame' }>

/** Long enough for three key frames of any sane encoder, and for one input to be some seconds behind the other. */
const KEPT_MS = 30_000
const KEPT_FRAMES = 4_096

/** A stream of an encoder: `video/0`, `audio/0`. */
export function streamOf({ kind, trackId }: { readonly kind: 'video' | 'audio'; readonly trackId: number }): string {
  return `${kind}/${trackId}`
}

/** Digests and times of the frames that an input brought of late: of each stream 30 s, or 4096 frames, at most. */
export class FrameRing {
  readonly #streams = new Map<string, SeenFrame[]>()

  get streams(): readonly string[] {
    return [...this.#streams.keys()]
  }

  /** Of one stream, in decoding order. */
  framesOf(stream: string): readonly SeenFrame[] {
    return this.#streams.get(stream) ?? []
  }

  /** The frame's bytes are read now, and not kept. */
  add(frame: Frame, ms: number, arrivedMs: number): void {
    const stream = streamOf(frame)
    let frames = this.#streams.get(stream)
    if (!frames) {
      frames = []
      this.#streams.set(stream, frames)
    }
    frames.push({ digest: hash('sha1', frame.data, 'base64'), ms, independent: frame.independent, arrivedMs })
    const oldest = frames[0]
    if (oldest && (frames.length > KEPT_FRAMES || arrivedMs - oldest.arrivedMs > KEPT_MS)) frames.shift()
  }

  /** What came so far is no longer to be compared with. */
  clear(): void {
    this.#streams.clear()
  }
}
