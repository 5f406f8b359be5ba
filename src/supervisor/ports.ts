import type { Asset } from '../domain/asset.ts'
import type { Channel } from '../domain/channel.ts'
import type { Program } from '../domain/program.ts'

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
   * Resolves when encoders may publish. `onFailed`: it has ended by itself, once, after the promise has resolved.
   * @throws AppError why it can't run
   */
  start(channel: Channel, onFailed: (error: unknown) => void): Promise<RunningChannel>
}

/** Told of every channel there is, whatever its state, so that an encoder with a known key is told why it is turned away. */
export type ChannelIndex = {
  put(channel: Channel): void
  remove(channelId: string): void
}
