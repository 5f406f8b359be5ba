import type { AdMarkerCreate, AdMarkerView } from '../../domain/ad-marker.ts'
import type { InputHealth, InputStatus } from '../../domain/input-health.ts'
import type { RandomBytes } from '../../domain/kinds.ts'
import type { Operation } from '../../domain/operation.ts'
import type { Repository } from '../../domain/repository.ts'
import type { Clock } from '../../lib/clock.ts'

/** What every resource needs. */
export type ResourceDeps = {
  readonly repository: Repository
  readonly clock: Clock
  readonly random: RandomBytes
  readonly operations: OperationWatch
}

/** Waits for operations that this or another node carries out. */
export type OperationWatch = {
  /** The operation as it is when it is done, when `limitMs` have passed, or when the signal is aborted, whichever is first. */
  wait(operation: Operation, limitMs: number, signal: AbortSignal): Promise<Operation>
}

/** What runs on this node of channels, as an answer shows it. */
export type ChannelStatusSource = {
  /** Of the input while the channel runs here. */
  health(channelId: string): InputHealth | undefined
  /** The inputs by which somebody publishes while the channel runs here. */
  inputs(channelId: string): readonly InputStatus[]
  /** The ad markers of a channel that runs here. */
  adMarkers?(channelId: string): AdMarkers | undefined
}

/** The ad markers of a running channel. */
export type AdMarkers = {
  list(): AdMarkerView[]
  has(id: string): boolean
  /** @throws AppError `STATE_CONFLICT` for what can't be taken */
  check(given: AdMarkerCreate): void
  /** Takes what was checked. `isNew`: it was not there. */
  take(given: AdMarkerCreate): { readonly marker: AdMarkerView; readonly isNew: boolean }
  /** Ends it, or calls it off. @throws AppError `ENTITY_NOT_FOUND` */
  end(id: string): AdMarkerView
}

/** Where encoders and viewers reach this node. */
export type PublicAddresses = {
  readonly rtmpUrl: string
  readonly rtmpsUrl: string | undefined
  /** Of a path on the streaming endpoint, for a client that reached us under `host`. */
  streamingUrl(path: string, host: string | undefined): string
}
