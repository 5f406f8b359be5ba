import type { CodecConfig, Contribution, Sample } from '../media/media.ts'
import type { LogRecord } from '../presentation/records.ts'
import type { SegmenterNumbers } from './record-writer.ts'
import type { RenditionSpec } from './rendition-track.ts'

/** A publisher's session as the channel sees it. */
export type Publisher = {
  readonly id: string
  readonly layer: string
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
  sessionStarted(layer: string): void
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
  inputLost(reason: string): void
  inputReturned(): void
}
