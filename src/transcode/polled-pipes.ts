import { readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { type ReadHandle, readHandleOf } from '../lib/read-handle.ts'

/** A good part of what Linux keeps in such a pipe: where there was so much, its writer may have been waiting for room. */
const BUFFER_BYTES = 65_536

/** What a poll found. */
export type PollResult = {
  readonly bytes: number
  /** A pipe was so full that there may be more at once. */
  readonly wasFull: boolean
}

/**
 * Reads a child's pipes when the process is awake anyway, instead of being woken by each frame of each rendition. What
 * waits in a pipe outlasts the child, so that nothing is lost by it. Streams without a handle give what they have as it comes.
 */
export class PolledPipes {
  readonly #pipes: readonly Readable[]
  readonly #read: (index: number, chunk: Uint8Array) => void
  readonly #polled = new Map<number, ReadHandle>()
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)

  /** `read` gets the bytes of each pipe in their order; a polled chunk's memory is used again once it has returned. */
  constructor(pipes: readonly Readable[], read: (index: number, chunk: Uint8Array) => void) {
    this.#pipes = pipes
    this.#read = read
    for (const [index, pipe] of pipes.entries()) {
      const handle = readHandleOf(pipe)
      if (handle) {
        handle.readStop()
        this.#polled.set(index, handle)
      } else {
        this.#listen(index)
      }
    }
  }

  /** Reads what is there. */
  poll(): PollResult {
    let bytes = 0
    let wasFull = false
    for (const [index, handle] of this.#polled) {
      const count = this.#drain(index, handle)
      bytes += count
      wasFull ||= count >= BUFFER_BYTES
    }
    return { bytes, wasFull }
  }

  /** From now on everything is read as it comes, to the end of each pipe. */
  flow(): void {
    for (const index of [...this.#polled.keys()]) this.#flow(index)
  }

  #drain(index: number, handle: ReadHandle): number {
    let bytes = 0
    // A closed pipe's number may be somebody else's, and a reader may end the polling.
    while (handle.fd >= 0 && this.#polled.has(index)) {
      const count = this.#readOnce(handle)
      if (count === undefined) break
      if (count === 0) {
        this.#flow(index)
        break
      }
      bytes += count
      this.#read(index, this.#buffer.subarray(0, count))
      if (count < BUFFER_BYTES) break
    }
    return bytes
  }

  /** 0 at the end, and where the stream is to say what is wrong; `undefined` where nothing waits. */
  #readOnce(handle: ReadHandle): number | undefined {
    try {
      return readSync(handle.fd, this.#buffer)
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EAGAIN' ? undefined : 0
    }
  }

  #flow(index: number): void {
    const handle = this.#polled.get(index)
    this.#polled.delete(index)
    this.#listen(index)
    if (handle && handle.fd >= 0) handle.readStart()
  }

  #listen(index: number): void {
    this.#pipes[index]?.on('data', (chunk: Uint8Array) => this.#read(index, chunk))
  }
}
