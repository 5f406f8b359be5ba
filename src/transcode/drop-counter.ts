import type { DropReason } from './transcode-sink.ts'

/** Adds up dropped frames, so that a burst is announced once and not frame by frame. */
export class DropCounter {
  readonly #counts = new Map<DropReason, number>()

  add(frames: number, reason: DropReason): void {
    if (frames > 0) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + frames)
  }

  /** Gives what has gathered, and forgets it. */
  flush(announce: (frames: number, reason: DropReason) => void): void {
    const gathered = [...this.#counts]
    this.#counts.clear()
    for (const [reason, frames] of gathered) announce(frames, reason)
  }
}
