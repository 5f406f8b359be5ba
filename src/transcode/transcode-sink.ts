import type { CodecConfig, Sample } from '../media/media.ts'
import type { ExitReport } from './ffmpeg-child.ts'

/** One rendition as a presentation declares it. Rates are in bit/s. */
export type TranscodedRendition = {
  /** `video-1` … in ladder order and `audio-1`: the same after every restart. */
  readonly name: string
  readonly kind: 'video' | 'audio'
  readonly config: CodecConfig
  /** Peak rate: what the encoder's rate control is held to. */
  readonly bandwidth: number
  readonly averageBandwidth: number
  /** What the ladder names: identifies the rendition to a person. */
  readonly nominalBitrate: number
  /** Frames per second of the source, where it says. */
  readonly frameRate?: number
}

/** Why a child was replaced by another. */
export type RestartReason =
  | 'crashed'
  | 'spawn-failed'
  | 'stalled'
  | 'fell-behind'
  | 'output-invalid'
  | 'config-changed'
  | 'video-arrived'
  | 'audio-arrived'
  | 'audio-lost'

/** That a child was replaced, and why. */
export type RestartReport = {
  readonly reason: RestartReason
  /** How the last child ended. */
  readonly exit: ExitReport
  /** Children replaced since the transcoder was made, this one included. */
  readonly restarts: number
  /** The preset in use now, where the encoder has presets, and how many steps it is below the ladder's own cost. */
  readonly preset: string | undefined
  readonly savings: number
}

/** That children keep dying, and why. */
export type FailingReport = {
  readonly reason: RestartReason
  readonly exit: ExitReport
  /** Deaths in a row. */
  readonly deaths: number
  /** No child runs, and input is dropped, for this long. */
  readonly retryMs: number
}

/** Why input was not encoded. */
export type DropReason =
  | 'no-config'
  | 'before-first-picture'
  | 'child-restart'
  | 'congested'
  | 'fell-behind'
  | 'backing-off'

/** A look at the transcoder, about once a second while a child runs. */
export type TranscodeStats = {
  readonly pid: number | undefined
  /** Media seconds made in a second, and frames, as ffmpeg counts them. */
  readonly speed: number | undefined
  readonly fps: number | undefined
  /** Processor seconds of all children so far. */
  readonly cpuSeconds: number
  readonly lagMs: number
  readonly queuedBytes: number
  readonly restarts: number
  readonly savings: number
}

/** Where the ladder goes. Calls are made in order and must not throw; nothing of a child comes after its successor's first call. */
export type TranscodeSink = {
  /** The set of renditions is known, or known again: always before the first sample of a child. */
  renditions(list: readonly TranscodedRendition[]): void
  /** One encoded sample, `Sample.data` owned by the receiver; ticks of the rendition's timescale on the epoch timeline. */
  sample(rendition: string, sample: Sample, durationTicks: number): void
  /** A discontinuity: what follows comes from another child. Called before that child's `renditions`. */
  restarted(report: RestartReport): void
  /** Children keep dying; the next try comes after `retryMs`. */
  failing(report: FailingReport): void
  /** Input frames that were not encoded. */
  dropped(frames: number, reason: DropReason): void
  stats(stats: TranscodeStats): void
}
