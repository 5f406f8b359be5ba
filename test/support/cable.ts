import { connect, createServer, type Server, type Socket } from 'node:net'

/** A length of cable between an encoder and the server, to be cut or pulled. */
export class Cable {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #isPulled = false

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** What connects to its port reaches `targetPort`. */
  static async lay(targetPort: number): Promise<Cable> {
    let cable: Cable | undefined
    const server = createServer((near) => cable?.join(near, connect(targetPort, '127.0.0.1')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the cable has no port')
    cable = new Cable(server, address.port)
    return cable
  }

  join(near: Socket, far: Socket): void {
    const pair = [near, far] as const
    this.#pairs.add(pair)
    const link = (from: Socket, to: Socket) => {
      // Read on while it is pulled: the encoder is not to notice.
      from.on('data', (bytes) => {
        if (!this.#isPulled) to.write(bytes)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#pairs.delete(pair)
        if (!this.#isPulled) to.destroy()
      })
    }
    link(near, far)
    link(far, near)
  }

  /** Both ends see the connection close. */
  cut(): void {
    for (const sockets of this.#pairs) for (const socket of sockets) socket.destroy()
  }

  /** Nothing gets through any more, and neither end is told. */
  pull(): void {
    this.#isPulled = true
  }

  async remove(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Arguments with which ffmpeg writes the same stream to several addresses; one that fails leaves the others alone. */
export function teeTo(...urls: readonly string[]): string[] {
  return [
    '-map',
    '0:v',
    '-map',
    '0:a',
    '-c',
    'copy',
    '-f',
    'tee',
    urls.map((url) => `[f=flv:onfail=ignore]${url}`).join('|'),
  ]
}
