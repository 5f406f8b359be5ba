import type { Socket } from 'node:net'
import type { Clock, Timer } from './clock.ts'
import { readHandleOf } from './read-handle.ts'

/**
 * Lets sockets rest after they were read, all until the same instant. To be woken for a packet costs several times what is
 * done with it, the more so where encoders on the same machine empty the caches; what arrives meanwhile waits in the kernel.
 */
export class ReadingTurns {
  readonly #clock: Clock
  readonly #turnMs: number
  readonly #resting = new Set<Socket>()
  #timer: Timer | undefined
  #stopped = false

  /** `turnMs`: how long what has arrived waits at most. */
  constructor(clock: Clock, turnMs: number) {
    this.#clock = clock
    this.#turnMs = turnMs
  }

  /**
   * Nothing more is read from the socket before the next turn. To be called within its `data` event, and not where that
   * brought as much as one read can: more is waiting then. TLS goes on as ever.
   */
  rest(socket: Socket): void {
    const handle = this.#stopped ? undefined : readHandleOf(socket)
    if (!handle) return
    handle.readStop()
    this.#resting.add(socket)
    this.#timer ??= this.#clock.after(this.#turnMs, () => this.#wake())
  }

  /** Whoever rests goes on at once, and nobody rests any more. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#wake()
  }

  #wake(): void {
    this.#timer = undefined
    for (const socket of this.#resting) {
      const handle = readHandleOf(socket)
      // A stream that has stopped by itself, for want of room, also starts by itself.
      if (handle && handle.reading !== false) handle.readStart()
    }
    this.#resting.clear()
  }
}
