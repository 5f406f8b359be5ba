import type { Clock, Timer } from '../../lib/clock.ts'
import type { Contribution } from '../../media/media.ts'
import type { SlateMedia } from '../ports.ts'

const STEP_MS = 100

/** Contributes a slate over and over in real time, as an encoder would, until it is stopped. */
export class SlatePlayer {
  readonly #media: SlateMedia
  readonly #clock: Clock
  readonly #push: (contribution: Contribution) => void
  readonly #startMs: number
  readonly #timer: Timer
  #pictures = 0
  #sounds = 0

  constructor(media: SlateMedia, clock: Clock, push: (contribution: Contribution) => void) {
    this.#media = media
    this.#clock = clock
    this.#push = push
    this.#startMs = clock.monotonicMs()
    const { video, audio } = media
    if (video) push({ type: 'config', trackId: 0, config: video.config })
    if (audio) push({ type: 'config', trackId: 0, config: audio.config })
    this.#timer = clock.every(STEP_MS, () => this.#play())
    this.#play()
  }

  stop(): void {
    this.#timer.cancel()
  }

  #play(): void {
    const elapsedMs = this.#clock.monotonicMs() - this.#startMs
    const { video, audio } = this.#media
    for (;;) {
      const pictureMs = video ? this.#pictures * video.frameMs : Number.POSITIVE_INFINITY
      const soundMs = audio ? this.#sounds * audio.frameMs : Number.POSITIVE_INFINITY
      if (Math.min(pictureMs, soundMs) > elapsedMs) return
      if (video && pictureMs <= soundMs) {
        const at = this.#pictures++ % video.frames.length
        this.#send('video', pictureMs, at === 0, video.frames[at] ?? new Uint8Array())
      } else if (audio) {
        this.#sounds++
        this.#send('audio', soundMs, true, audio.frame)
      }
    }
  }

  /** Whoever gets a frame uses its memory again, and this one is needed once more. */
  #send(kind: 'video' | 'audio', dtsMs: number, independent: boolean, frame: Uint8Array): void {
    const data = Uint8Array.from(frame)
    this.#push({ type: 'frame', kind, trackId: 0, dtsMs, compositionMs: 0, independent, data })
  }
}
