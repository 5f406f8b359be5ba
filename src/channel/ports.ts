import type { AudioConfig, CodecConfig, Contribution, Sample, VideoConfig } from '../media/media.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { SegmenterNumbers } from './record-writer.ts'
import type { RenditionSpec } from './rendition-track.ts'

/** The two ways into a channel. */
export type InputName = 'primary' | 'secondary'

/** What is wrong with an input that is connected. */
export type InputFault = 'silent' | 'no-sound' | 'no-key-frames' | 'late'

/** Why the input on the air was changed: it ended or failed, or the primary is well again. */
export type SwitchReason = 'ended' | InputFault | 'preferred'

/** That another input feeds a layer now. */
export type InputSwitched = {
  readonly layer: string
  readonly from: InputName
  readonly to: InputName
  readonly reason: SwitchReason
  /** Both carry the same coded frames: the timeline goes on without a discontinuity, and no frame is missing or sent twice. */
  readonly isSeamless: boolean
}

/** What a slate is to look and sound like: as what was last seen of a layer. */
export type SlateWish = {
  readonly video: VideoConfig | undefined
  /** Pictures per second. */
  readonly frameRate: number
  readonly audio: AudioConfig | undefined
}

/** A still picture and silence, coded. The frames of `video` are one GOP, which begins with a key frame, without reordering. */
export type SlateMedia = {
  readonly video:
    | { readonly config: VideoConfig; readonly frames: readonly Uint8Array[]; readonly frameMs: number }
    | undefined
  readonly audio: { readonly config: AudioConfig; readonly frame: Uint8Array; readonly frameMs: number } | undefined
}

/** Makes what is shown while the input is away. Rejects where it can't, and with the signal's reason; nothing of it runs on then. */
export type SlateMaker = (wish: SlateWish, signal: AbortSignal) => Promise<SlateMedia>

/** A publisher's session as the channel sees it. */
export type Publisher = {
  readonly id: string
  readonly layer: string
  readonly input: InputName
  /** Ends the session with a status that the encoder shows; resolves when it is gone. */
  end(reason: string): Promise<void>
}

/** Where a session's contributions go. */
export type ContributionSink = {
  /** A promise asks the session to read no further until it settles; it never rejects. */
  push(contribution: Contribution): Promise<void> | undefined
  /** The publisher has gone. */
  end(reason: string): void
}

/** Whether a publisher was let in. `description` is shown to whoever runs the encoder. */
export type Admission =
  | { readonly accepted: true; readonly sink: ContributionSink }
  | { readonly accepted: false; readonly reason: 'busy' | 'not-running' | 'invalid-name'; readonly description: string }

/** What the channel needs of a live transcoder. */
export type Transcoder = {
  /** Before the first sample of its kind, and again when it changes. */
  configure(config: CodecConfig): void
  write(kind: 'video' | 'audio', sample: Sample): Promise<void> | undefined
  /** The input was lost: everything that went in comes out, then this resolves. A new input may follow. */
  inputEnded(): Promise<void>
  stop(): Promise<void>
}

/** Where a transcoder's renditions go; nothing of a child comes after its successor's first call. */
export type TranscoderOutput = {
  renditions(list: readonly RenditionSpec[]): void
  sample(rendition: string, sample: Sample, durationTicks: number): void
  /** The encoder was replaced: what follows is a new stretch. */
  restarted(): void
}

/** Keeps a channel's numbers over restarts. */
export type NumberStore = {
  load(): SegmenterNumbers | undefined
  /** Resolves when the numbers are on disk; rejects where they can't be written. */
  save(numbers: SegmenterNumbers): Promise<void>
}

/** Why a frame found no place in the presentation. */
export type DropReason = 'straggler' | 'overlap' | 'not-configured' | 'behind' | 'late' | 'no-key-frame'

/** What a channel tells of itself; every call is cheap and never throws. */
export type ChannelObserver = {
  /** `isStandby`: the layer has an encoder already. */
  sessionStarted(layer: string, isStandby: boolean): void
  sessionEnded(layer: string): void
  frameReceived(layer: string, kind: 'video' | 'audio', sizeBytes: number): void
  frameDropped(layer: string, reason: DropReason): void
  /** Length of a GOP that has just ended, in seconds. */
  gopEnded(layer: string, seconds: number): void
  /** How far the newest frame stands ahead of the wall clock, in seconds. */
  drift(layer: string, seconds: number): void
  /** The encoder's clock left its course: what it sends from now on is a new stretch. */
  clockJumped(layer: string): void
  /** Newest audio minus newest video as they arrived, in seconds of stream time. */
  audioVideoOffset(layer: string, seconds: number): void
  /** A record went into the log; for a fragment with its rendition and where its media ends, ms since the epoch. */
  recordWritten(record: LogRecord, rendition: string | undefined, endMs: number | undefined): void
  /** A segment had to start without a random access point. */
  cutForced(startMs: number): void
  /** Which input feeds the layer, and which is ready to. */
  inputsChanged(layer: string, active: InputName | undefined, standby: InputName | undefined): void
  inputSwitched(change: InputSwitched): void
  /** A picture and silence fill the presentation from now on. */
  slateShown(): void
  slateEnded(): void
  /** There is none to show: gaps go on. Once for each absence. */
  slateFailed(error: unknown): void
  inputLost(reason: string): void
  inputReturned(): void
}
