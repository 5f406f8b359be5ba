import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { HeadendEvent } from '../../src/domain/events.ts'
import { Arrivals } from './event-store.ts'

/** A request as a receiver got it. */
export type Received = {
  readonly event: HeadendEvent
  /** What a `channel.input-lost` says. */
  readonly reason: string
  readonly attempt: number
  readonly body: string
  readonly headers: IncomingMessage['headers']
  /** What it was answered. */
  readonly status: number
}

/** How a receiver answers: a status, or what it does with the response instead (`undefined`: nothing, ever). */
export type Manner = (received: Omit<Received, 'status'>, response: ServerResponse) => number | undefined

/** A real HTTP server that events are posted to. */
export class WebhookReceiver {
  readonly arrivals = new Arrivals<Received>()
  readonly #server: Server
  manner: Manner = () => 204

  static async open(tls?: { readonly key: string | Buffer; readonly cert: string | Buffer }): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(tls)
    await new Promise<void>((resolve) => receiver.#server.listen({ port: 0, host: '127.0.0.1' }, resolve))
    return receiver
  }

  private constructor(tls?: { readonly key: string | Buffer; readonly cert: string | Buffer }) {
    const listener: RequestListener = (request, response) => void this.#receive(request, response)
    this.#server = tls ? createTlsServer(tls, listener) : createServer(listener)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`
  }

  /** What was answered with 2xx. */
  get taken(): readonly Received[] {
    return this.arrivals.all.filter(({ status }) => status >= 200 && status < 300)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    request.setEncoding('utf8')
    for await (const chunk of request) body += chunk
    const event = JSON.parse(body) as HeadendEvent
    const reason = 'reason' in event.data ? String(event.data.reason) : event.type
    const attempt = Number(request.headers['headend-delivery-attempt'])
    const received = { event, reason, attempt, body, headers: request.headers }
    const status = this.manner(received, response)
    if (status !== undefined) response.writeHead(status).end()
    this.arrivals.push({ ...received, status: status ?? 0 })
  }
}

/** Whether a delivery is signed with the secret, as the documentation says to verify it. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const [, seconds, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['headend-signature'])) ?? []
  return digest === createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
}
