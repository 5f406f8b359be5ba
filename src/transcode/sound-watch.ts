import type { LadderRun } from './ladder-run.ts'

/** What the next child is to do about sound, as `StartGate.decide` takes it. */
export type SoundTerms = {
  /** Sound before this media time went into the child before. */
  readonly audioFromMs: number | undefined
  /** The child before had no sound from the source: this one doesn't wait for any. */
  readonly startsSilent: boolean
}

/** Pictures without sound for this long: the sound is taken for lost, and silence made from the next IDR on. */
const AUDIO_LOST_MS = 3000

/** How the source's sound fares from child to child: whether it can be used, where the next one goes on with it, or begins without. */
export class SoundWatch {
  #audioFromMs: number | undefined
  #startsSilent = false
  #isMuted = false
  #newestPictureMs = 0

  /** The source's sound can't be decoded: it goes into no child. */
  get isMuted(): boolean {
    return this.#isMuted
  }

  get terms(): SoundTerms {
    return { audioFromMs: this.#audioFromMs, startsSilent: this.#startsSilent }
  }

  /** The source's sound is another than before. */
  configured(): void {
    this.#isMuted = false
  }

  /** A picture of this media time goes into the child. */
  pictured(ms: number): void {
    this.#newestPictureMs = ms
  }

  /** Whether a child with sound from the source gets none any more, or nothing is made of what it gets. */
  hasLost(run: Pick<LadderRun, 'audioEndMs'>, isUndecodable: boolean): boolean {
    if (isUndecodable) this.#isMuted = true
    return this.#isMuted || this.#newestPictureMs - run.audioEndMs > AUDIO_LOST_MS
  }

  /** The next child goes on where this one ends; `isLost`: without the sound that it had. */
  handOver(run: Pick<LadderRun, 'hasSourceAudio' | 'audioEndMs'>, isLost: boolean): void {
    this.#startsSilent = isLost
    this.#audioFromMs = run.hasSourceAudio ? run.audioEndMs - 1 : undefined
  }

  /** The child died: the next one goes on with what comes. */
  breakOff(run: Pick<LadderRun, 'hasSourceAudio'>): void {
    this.#startsSilent = !run.hasSourceAudio
    this.#audioFromMs = undefined
  }

  /** The input is gone; what comes next is another's, and may have sound. */
  inputEnded(): void {
    this.#startsSilent = false
    this.#isMuted = false
  }

  /** The last child of an input has got all that came of it. */
  forget(): void {
    this.#audioFromMs = undefined
  }
}
