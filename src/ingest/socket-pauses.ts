import type { Socket } from 'node:net'

/** Who wants a socket not to be read. It is read again when nobody does any more. */
export class SocketPauses {
  readonly #socket: Pick<Socket, 'pause' | 'resume'>
  #count = 0

  constructor(socket: Pick<Socket, 'pause' | 'resume'>) {
    this.#socket = socket
  }

  get arePending(): boolean {
    return this.#count > 0
  }

  /** To be taken back by `end`, once. */
  begin(): void {
    this.#count += 1
    this.#socket.pause()
  }

  end(): void {
    this.#count -= 1
    if (this.#count === 0) this.#socket.resume()
  }

  /** Until it settles, however it does. */
  during(waiting: Promise<void>): void {
    const end = () => this.end()
    this.begin()
    waiting.then(end, end)
  }
}
