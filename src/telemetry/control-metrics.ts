import type { Families } from './families.ts'

const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 60]

/** The API, and what the supervisor does for it. */
export class ControlMetrics {
  readonly #requests
  readonly #seconds
  readonly #channels
  readonly #failures

  constructor(families: Families) {
    this.#requests = families.counter({
      name: 'api_requests_total',
      help: 'Requests that the API has answered, by operation and status class.',
      labels: ['operation', 'status'],
    })
    this.#seconds = families.histogram(
      {
        name: 'api_request_seconds',
        help: 'From the request to the end of its answer, waiting for operations included.',
      },
      SECONDS,
    )
    this.#channels = families.gauge({
      name: 'channels',
      help: 'Channels of the store, by state.',
      labels: ['state'],
    })
    this.#failures = families.counter({
      name: 'supervisor_failures_total',
      help: 'Channels, programs and streaming endpoints that could not be brought to where they should be, by cause.',
      labels: ['kind', 'code'],
    })
  }

  /** `operation`: of the OpenAPI document. */
  served(operation: string, status: number, seconds: number): void {
    this.#requests.inc({ operation, status: `${Math.floor(status / 100)}xx` })
    this.#seconds.observe(seconds)
  }

  channelMoved(from: string | undefined, to: string | undefined): void {
    if (from !== undefined) this.#channels.dec({ state: from })
    if (to !== undefined) this.#channels.inc({ state: to })
  }

  /** `code`: of the catalogue of errors. */
  failed(kind: string, code: string): void {
    this.#failures.inc({ kind, code })
  }
}
