import type { Asset } from '../domain/asset.ts'
import type { Channel } from '../domain/channel.ts'
import type { Change } from '../domain/entity-store.ts'
import type { RunningKind } from '../domain/lifecycle.ts'
import type { Program } from '../domain/program.ts'
import type { StreamingEndpoint } from '../domain/streaming-endpoint.ts'

/** What a program has put into its asset when it ends. */
export type Recorded = { readonly tracks: Asset['tracks']; readonly durationMs: number }

/** A channel that runs on this node. */
export type RunningChannel = {
  /** Takes over what may change while it runs: name, keys, allow lists, takeover, grace. An encoder whose key is gone is disconnected. */
  update(channel: Channel): void
  /** Drops the live edge: encoders are disconnected and viewers go on with what comes next, after a discontinuity. */
  reset(): Promise<void>
  /** From the next segment on the program takes the presentation; resolves when its log can be asked for. */
  startProgram(program: Program): Promise<void>
  /** Takes over what may change while it runs: name, rewind window. */
  updateProgram(program: Program): void
  /** Ends with the segment that is open; the presentation stays to be watched. Of a program that doesn't run: nothing recorded. */
  stopProgram(programId: string): Promise<Recorded>
  /** Encoders are told, what came in is written out, programs are left as they are (they go on after a restart). */
  stop(): Promise<void>
}

/** Runs channels on this node. */
export type ChannelRunner = {
  /**
   * Resolves when encoders may publish. `onFailed`: it has ended by itself, once, after the promise has resolved. `onIdle`:
   * nobody has published for the channel's `idleStopAfter`; it is called again while that goes on, until it is stopped.
   * The signal aborts a start that is not wanted any more, or takes too long: it then ends soon, either way.
   * @throws AppError why it can't run
   */
  start(
    channel: Channel,
    onFailed: (error: unknown) => void,
    onIdle: () => void,
    signal: AbortSignal,
  ): Promise<RunningChannel>
}

/**
 * Opens and closes the way to what an account has published. Both resolve when every origin thread knows. The signal ends the waiting, not what was begun.
 */
export type EndpointRunner = {
  start(endpoint: StreamingEndpoint, signal: AbortSignal): Promise<void>
  /** Resolves when as many threads serve as the endpoints that run ask for by `scaleUnits`. @throws AppError `ORIGIN_THREAD_DOWN` */
  scale(endpoint: StreamingEndpoint, signal: AbortSignal): Promise<void>
  /** With the last one of an account that runs, none of its locators is answered any more. */
  stop(endpoint: StreamingEndpoint, signal: AbortSignal): Promise<void>
}

/** Told of every channel there is, whatever its state, so that an encoder with a known key is told why it is turned away. */
export type ChannelIndex = {
  put(channel: Channel): void
  remove(channelId: string): void
}

/** What the store tells of every write, of whichever node; see `ChangeFeed`. */
export type ChangeSource = {
  /** Gives a function that ends it. */
  onChange(listener: (changes: readonly Change[]) => void): () => void
  /** Some changes were missed: what is known has to be read again. Gives a function that ends it. */
  onReset(listener: () => void): () => void
}

/** What the supervisor tells of itself; every call is cheap and never throws. */
export type SupervisorObserver = {
  /** A channel of the store has come to another state; `undefined` before it was known and after it is gone. */
  channelMoved(from: Channel['state'] | undefined, to: Channel['state'] | undefined): void
  /** Something could not be brought to where it should be, and is tried again or has been given up. */
  failed(kind: RunningKind, code: string): void
}
