import type { PlayerName, Problem, Protocol } from './engine.ts'

/** A look at the player for tests and for pages that embed it. Times are in seconds. */
export type PlayerState = {
  readonly protocol: Protocol | undefined
  /** What plays. */
  readonly player: PlayerName | undefined
  /** The video element's own time; its origin differs between protocols. */
  readonly currentTime: number
  readonly paused: boolean
  /** Media buffered ahead of the position. */
  readonly buffered: number
  readonly droppedFrames: number
  readonly totalFrames: number
  readonly stalls: number
  /** From capture to screen; absent while unknown or not live. */
  readonly latencyS: number | undefined
  /** Index of the rendition on the screen, -1 while there is none. */
  readonly level: number
  /** Index of the rendition chosen by hand, -1 for automatic. */
  readonly selectedLevel: number
  /** By index. */
  readonly levels: readonly { readonly height: number | undefined; readonly bitrateBps: number }[]
  /** The text that is shown, by its index in `texts`; -1 for none. */
  readonly selectedText: number
  readonly texts: readonly { readonly index: number; readonly name: string; readonly language: string }[]
  /** What the page tells the viewer, if anything. */
  readonly notice: 'problem' | 'away' | 'waiting' | undefined
  readonly error: Problem | undefined
}

/** `window.headend`. */
export type HeadendPlayer = {
  state(): PlayerState
  /** Chooses a rendition by its index in `state().levels`; -1 is automatic. */
  setQuality(index: number): void
  /** Shows a text by its index in `state().texts`; -1 is none. */
  setText(index: number): void
  /** Plays the other manifest of the same stream, where there is one. */
  setProtocol(protocol: Protocol): void
  /** What is shown to whoever gives keys from now on; starts playback afresh. */
  setToken(token: string | undefined): void
}

declare global {
  interface Window {
    headend: HeadendPlayer
  }
}
