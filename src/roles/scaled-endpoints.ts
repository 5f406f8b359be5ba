import type { StreamingEndpoint } from '../domain/streaming-endpoint.ts'
import { abortable } from '../lib/abortable.ts'
import type { EndpointRunner } from '../supervisor/ports.ts'
import type { LocatorPublisher } from './locator-publisher.ts'
import type { OriginPool } from './origin-pool.ts'

/** Who is scaled, and within what. */
export type ScaledEndpointsPorts = {
  /** Opens and closes the way to what an account has published. */
  readonly publishing: LocatorPublisher['endpoints']
  readonly pool: Pick<OriginPool, 'resize'>
  /** As many threads as there may be. */
  readonly maxThreads: number
}

/**
 * Streaming endpoints with the threads that they ask for. All endpoints share the node's threads: as many as those that run have units together, at
 * least one and no more than the node has for it; one of 0 units asks for all of them.
 */
export class ScaledEndpoints implements EndpointRunner {
  readonly #ports: ScaledEndpointsPorts
  /** Units of those that run. */
  readonly #units = new Map<string, number>()

  constructor(ports: ScaledEndpointsPorts) {
    this.#ports = ports
  }

  /** Threads that the endpoints that run ask for. */
  get wantedThreads(): number {
    const { maxThreads } = this.#ports
    let sum = 0
    for (const units of this.#units.values()) sum += units === 0 ? maxThreads : units
    return Math.max(1, Math.min(sum, maxThreads))
  }

  /** @throws AppError `ORIGIN_THREAD_DOWN`, `PART_UNRESPONSIVE` */
  async start(endpoint: StreamingEndpoint, signal: AbortSignal): Promise<void> {
    await this.scale(endpoint, signal)
    await this.#ports.publishing.start(endpoint)
  }

  /** Resolves when there are as many threads as are asked for, and those that were too many have ended. @throws AppError `ORIGIN_THREAD_DOWN` */
  async scale({ id, scaleUnits }: StreamingEndpoint, signal: AbortSignal): Promise<void> {
    this.#units.set(id, scaleUnits)
    await abortable(this.#ports.pool.resize(this.wantedThreads), signal)
  }

  async stop(endpoint: StreamingEndpoint, signal: AbortSignal): Promise<void> {
    await this.#ports.publishing.stop(endpoint)
    this.#units.delete(endpoint.id)
    await abortable(this.#ports.pool.resize(this.wantedThreads), signal)
  }
}
