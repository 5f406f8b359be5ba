import type { Clock } from '../../lib/clock.ts'
import type { Contribution } from '../../media/media.ts'
import type { SlateMedia } from '../ports.ts'
import { SlatePlayer } from './slate-player.ts'

/** Who wants a slate: there is no input to show, or a break takes its place. */
export type SlateOwner = 'absence' | 'break'

/**
 * The slate over one layer. It is on the air for as long as anybody wants it. That of a break stays whatever comes in; else, and when
 * nobody wants it any more, the next key frame of an input takes its place.
 */
export class SlateCover {
  readonly #clock: Clock
  readonly #owners = new Set<SlateOwner>()
  #media: SlateMedia | undefined
  #player: SlatePlayer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isOn(): boolean {
    return this.#player !== undefined
  }

  /** It stays, whatever comes in. */
  get isHeld(): boolean {
    return this.isOn && this.#owners.has('break')
  }

  /** Nobody wants it any more: it is on the air until an input has a key frame. */
  get isLeaving(): boolean {
    return this.isOn && this.#owners.size === 0
  }

  /** Somebody wants it. Gives whether `media` has to be put on the air for that: what is held there already does as well as any. */
  want(owner: SlateOwner, media: SlateMedia): boolean {
    const isGood = this.isHeld || (this.isOn && this.#media === media)
    this.#owners.add(owner)
    return !isGood
  }

  /** Puts a slate on the air, in place of one that is there. */
  play(media: SlateMedia, push: (contribution: Contribution) => void): void {
    this.#player?.stop()
    this.#media = media
    this.#player = new SlatePlayer(media, this.#clock, push)
  }

  /** Gives whether it was on the air for this owner alone. */
  drop(owner: SlateOwner): boolean {
    const wasOwner = this.#owners.delete(owner)
    return wasOwner && this.isLeaving
  }

  /** It is on the air no more, whoever wants it. */
  end(): void {
    this.#player?.stop()
    this.#player = undefined
    this.#media = undefined
    this.#owners.clear()
  }
}
