import type { Contribution } from '../../media/media.ts'

/** A contributed frame. */
export type Frame = Extract<Contribution, { readonly type: 'frame' }>

/** A frame that waits in case it is needed. */
export type HeldFrame = {
  readonly frame: Frame
  /** On its session's clock, unrolled. */
  readonly ms: number
  readonly arrivedMs: number
}

/** What a standby keeps at most. */
const KEPT_MS = 10_000
const KEPT_BYTES = 32 * 2 ** 20
const KEPT_GOPS = 2

/**
 * What an input that is not on the air sent of late: two GOPs, the one that is coming in included, and what the input on the air has
 * not brought yet; of all that 10 s and 32 MiB at most. The oldest goes first, and its memory is given back.
 */
export class StandbyBuffer {
  readonly #done: (data: Uint8Array) => void
  #frames: HeldFrame[] = []
  /** Frames at the front that are gone already: taken out of the array many at a time. */
  #head = 0
  #bytes = 0

  constructor(done: (data: Uint8Array) => void) {
    this.#done = done
  }

  get sizeBytes(): number {
    return this.#bytes
  }

  get frames(): readonly HeldFrame[] {
    return this.#head === 0 ? this.#frames : this.#frames.slice(this.#head)
  }

  /** `isNeeded`: the input on the air is not that far yet. */
  add(held: HeldFrame, isNeeded: (held: HeldFrame) => boolean): void {
    this.#frames.push(held)
    this.#bytes += held.frame.data.byteLength
    for (let oldest = this.#frames[this.#head]; oldest && oldest !== held; oldest = this.#frames[this.#head]) {
      const isTooMuch = held.arrivedMs - oldest.arrivedMs > KEPT_MS || this.#bytes > KEPT_BYTES
      if (!isTooMuch && (this.#isOfNewestGops(held) || isNeeded(oldest))) break
      this.#drop(oldest)
    }
    this.#compact()
  }

  /** From the newest key frame on, with the sound that goes with it; empty where no key frame is there. `hasVideo`: one is needed. */
  fromNewestKeyFrame(hasVideo: boolean): readonly HeldFrame[] {
    const { frames } = this
    if (!hasVideo) return frames.slice(-1)
    const index = frames.findLastIndex(({ frame }) => isKeyFrame(frame))
    const key = frames[index]
    if (!key) return []
    const soundBefore = frames.slice(0, index).filter(({ frame, ms }) => frame.kind === 'audio' && ms >= key.ms)
    return [key, ...soundBefore, ...frames.slice(index + 1)]
  }

  /** Whoever was given frames has them now: nothing is given back but `left`. */
  empty(left: readonly HeldFrame[]): void {
    for (const { frame } of left) this.#done(frame.data)
    this.#frames = []
    this.#head = 0
    this.#bytes = 0
  }

  clear(): void {
    this.empty(this.frames)
  }

  #isOfNewestGops(newest: HeldFrame): boolean {
    // Only a key frame can make something old.
    if (!isKeyFrame(newest.frame)) return true
    let keys = 0
    for (let at = this.#frames.length - 1; at >= this.#head; at--) {
      const held = this.#frames[at]
      if (held && isKeyFrame(held.frame) && ++keys === KEPT_GOPS) return at === this.#head
    }
    return true
  }

  #drop(oldest: HeldFrame): void {
    this.#head++
    this.#bytes -= oldest.frame.data.byteLength
    this.#done(oldest.frame.data)
  }

  #compact(): void {
    if (this.#head < 256 || this.#head * 2 < this.#frames.length) return
    this.#frames = this.#frames.slice(this.#head)
    this.#head = 0
  }
}

/** What a decoder can begin with. */
export function isKeyFrame({ kind, trackId, independent }: Frame): boolean {
  return kind === 'video' && trackId === 0 && independent
}
