import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { CaptionService } from '../media/codecs/captions.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { CutRuleOptions } from './cut-rule.ts'
import type { MarkerPorts } from './markers-channel.ts'
import type { ChannelObserver, NumberStore, SlateMaker, Transcoder, TranscoderOutput } from './ports.ts'
import type { LogEntry } from './segment-assembly.ts'

/** How a channel cuts, encodes and treats its publishers. Durations in milliseconds. */
export type ChannelOptions = {
  readonly name: string
  /** `none`: pass-through, any number of layers. `standard`: one layer through a live transcoder. */
  readonly encoding: 'none' | 'standard'
  readonly segmentDurationMs: number
  /** Absent: a segment is stored whole. */
  readonly partDurationMs: number | undefined
  readonly keyFrameIntervalMs: number
  readonly takeover: 'refuse' | 'replace'
  /** How long the presentation is kept moving with gaps while the input is away. */
  readonly reconnectGraceMs: number
  /** How long the primary input has to be well before it is returned to from the secondary. */
  readonly returnAfterMs: number
  /** After so long without input a slate, of a picture of that name, fills the presentation; absent: gaps do. */
  readonly slate: { readonly afterMs: number; readonly picture: string } | undefined
  readonly maxLayers: number
  /** What captions its pictures are said to carry; absent: what is found in them. */
  readonly captions?: readonly CaptionService[] | undefined
  /** Whose ad markers are taken; absent: anybody's. */
  readonly adMarkerSource?: 'api' | 'scte35' | undefined
}

/** What a channel needs of the rest of the house. */
export type ChannelPorts = {
  readonly clock: Clock
  readonly logger: Logger
  readonly numbers: NumberStore
  /** Something goes on that was recorded before: it is kept moving with gaps from the start, as if the input had just gone. */
  readonly goesOn?: boolean
  readonly observer: ChannelObserver
  /** Memory for a fragment's bytes. */
  readonly allocate: (sizeBytes: number) => Uint8Array
  /** Access units that were written, or dropped, and are not read any more; absent: they are left to the garbage collector. */
  readonly done?: (data: Uint8Array) => void
  /** Takes the presentation's records, in order. */
  readonly emit: (entry: LogEntry) => void
  /** Needed for `encoding: standard`. */
  readonly transcoder?: (output: TranscoderOutput) => Transcoder
  /** Needed for a slate. */
  readonly slate?: SlateMaker
  /** Absent: nobody hears of markers beside `emit`, and there are none of an earlier run. */
  readonly markers?: MarkerPorts
}

/** What may change while it runs. */
export type ChannelChanges = Pick<
  ChannelOptions,
  'takeover' | 'reconnectGraceMs' | 'returnAfterMs' | 'slate' | 'adMarkerSource'
>

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/** EXT-X-TARGETDURATION in ms: whole seconds, fixed when the channel starts (streaming.md, HLS). */
export function targetDurationMs(options: Pick<ChannelOptions, 'segmentDurationMs' | 'keyFrameIntervalMs'>): number {
  return Math.ceil(Math.max(options.segmentDurationMs, options.keyFrameIntervalMs) / 1_000) * 1_000
}

/** Where a channel cuts, in ticks of the presentation. */
export function cutRuleOptions(options: ChannelOptions): CutRuleOptions {
  return {
    segmentTicks: options.segmentDurationMs * TICKS_PER_MS,
    targetTicks: targetDurationMs(options) * TICKS_PER_MS,
    keyFrameTicks: options.keyFrameIntervalMs * TICKS_PER_MS,
    isOnEpochGrid: options.encoding === 'standard',
  }
}
