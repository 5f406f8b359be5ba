import { Presentation } from '../src/presentation/presentation.ts'
import type { PresentationHeader } from '../src/presentation/records.ts'
import type { PresentationView, Rendition } from '../src/presentation/view.ts'
import { audioTrack, SampleLog, videoTrack } from '../test/unit/presentation/sample-log.ts'

const VIDEO_RENDITIONS = 5
const AUDIO_RENDITIONS = 2

/** A live presentation whose window is full: with each new segment the oldest one goes. */
export class LiveWindow {
  readonly #segments: number
  readonly #log: SampleLog
  readonly #presentation: Presentation

  constructor(segments: number, segmentSeconds: number) {
    const windowMs = segments * segmentSeconds * 1_000
    const targetDurationMs = segmentSeconds * 1_000
    const header: PresentationHeader = {
      ...{ id: 'load', epoch: 'load', targetDurationMs },
      ...{ rewindWindowMs: windowMs, archiveWindowMs: windowMs },
    }
    this.#segments = segments
    this.#log = new SampleLog(header)
    this.#presentation = new Presentation(header)
    for (let number = 1; number <= VIDEO_RENDITIONS; number++) this.#log.add(videoTrack(number, `video-${number}`))
    for (let number = 1; number <= AUDIO_RENDITIONS; number++) {
      this.#log.add(audioTrack(VIDEO_RENDITIONS + number, `audio-${number}`))
    }
    for (let written = 0; written < segments; written++) {
      this.#log.segment()
      this.#apply()
    }
  }

  get view(): PresentationView {
    return this.#presentation
  }

  get video(): Rendition {
    return this.#presentation.renditions[0] as Rendition
  }

  get audio(): Rendition {
    return this.#presentation.renditions[VIDEO_RENDITIONS] as Rendition
  }

  /** One segment more, and one less. */
  advance(): void {
    this.#log.segment()
    this.#log.evict(this.#log.nextSequence - this.#segments)
    this.#apply()
  }

  #apply(): void {
    for (const record of this.#log.records.splice(0)) this.#presentation.apply(record)
  }
}
