import { Channel } from '../../../src/channel/channel.ts'
import { type ChannelOptions, targetDurationMs } from '../../../src/channel/channel-options.ts'
import type {
  ChannelObserver,
  ContributionSink,
  InputName,
  InputSwitched,
  SlateMaker,
  Transcoder,
  TranscoderOutput,
} from '../../../src/channel/ports.ts'
import type { SegmenterNumbers } from '../../../src/channel/record-writer.ts'
import type { LogEntry } from '../../../src/channel/segment-assembly.ts'
import { type Clock, VirtualClock } from '../../../src/lib/clock.ts'
import type { Logger } from '../../../src/lib/logger.ts'
import { avcConfig } from '../../../src/media/codecs/avc.ts'
import { FragmentedMp4Reader } from '../../../src/media/isobmff/fragmented-reader.ts'
import type { AudioConfig, VideoConfig } from '../../../src/media/media.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord, RecordOf, Track } from '../../../src/presentation/records.ts'

/** Two real configurations of x264, 160x90 and another of the same size. */
export const video: VideoConfig = avc(
  '0164000affe100186764000aacd9420db011000003000100000300320f12259601000668eae3cb22c0fdf8f800',
)
export const otherVideo: VideoConfig = avc(
  '0164000affe100186764000aacd94727889b011000003e90000ea600f122596001000668ebe3cb22c0fdf8f800',
)

function avc(recordHex: string): VideoConfig {
  return avcConfig(Uint8Array.from(Buffer.from(recordHex, 'hex')))
}

export const audio: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: Uint8Array.from([0x11, 0x90]),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1_024,
  codecString: 'mp4a.40.2',
}

export const monoAudio: AudioConfig = { ...audio, record: Uint8Array.from([0x11, 0x88]), channels: 1 }

export const silentLogger: Logger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
} as unknown as Logger

/** A sample as it was read back out of the fragments; times in seconds. */
export type WrittenSample = {
  readonly id: number
  readonly rendition: string
  readonly track: number
  readonly sequence: number
  readonly dts: number
  readonly pts: number
  readonly duration: number
  readonly independent: boolean
}

/** Reads fragments back with the reader of ISOBMFF, an init segment before them. */
class ReadBack {
  readonly samples: WrittenSample[] = []
  readonly #tracks = new Map<number, { readonly track: Track; readonly reader: FragmentedMp4Reader }>()

  take({ record, bytes }: LogEntry): void {
    if (record.type === 'track-added') {
      const reader = new FragmentedMp4Reader()
      reader.push(record.track.init)
      this.#tracks.set(record.track.track, { track: record.track, reader })
    }
    if (record.type !== 'fragment') return
    const known = this.#tracks.get(record.track)
    if (!known || !bytes) throw new Error(`a fragment of track ${record.track} came before its track`)
    const { track, reader } = known
    for (const event of reader.push(bytes)) {
      if (event.type !== 'sample') continue
      const { dtsTicks, compositionTicks, data, independent } = event.sample
      this.samples.push({
        id: new DataView(data.buffer, data.byteOffset).getUint32(0),
        rendition: track.rendition,
        track: track.track,
        sequence: record.sequence,
        dts: dtsTicks / track.timescale,
        pts: (dtsTicks + compositionTicks) / track.timescale,
        duration: event.durationTicks / track.timescale,
        independent,
      })
    }
  }
}

export type BenchOptions = {
  readonly channel?: Partial<ChannelOptions>
  readonly clock?: VirtualClock
  /** What the channel sees of the clock. */
  readonly seenClock?: Clock
  readonly numbers?: SegmenterNumbers
  readonly transcoder?: (output: TranscoderOutput) => Transcoder
  readonly slate?: SlateMaker
  /** Told of what the channel reads no more. */
  readonly done?: (data: Uint8Array) => void
}

/** A channel in memory: what its publishers send, and what came out of its log. */
export class ChannelBench {
  readonly clock: VirtualClock
  readonly channel: Channel
  readonly options: ChannelOptions
  readonly presentation: Presentation
  readonly records: LogRecord[] = []
  /** Drops that the channel counted, by reason. */
  readonly dropped = new Map<string, number>()
  readonly events: string[] = []
  /** Changes from one input to the other. */
  readonly switches: InputSwitched[] = []
  inputs: { readonly active: InputName | undefined; readonly standby: InputName | undefined } | undefined
  received = 0
  /** How often an encoder's clock was seen to jump. */
  jumps = 0
  /** What the presentation, or the reader of the fragments, first had against the log. */
  refused: unknown
  saved: SegmenterNumbers | undefined
  readonly #written = new ReadBack()

  constructor(options: BenchOptions = {}) {
    this.clock = options.clock ?? new VirtualClock(1_763_702_400_000)
    this.options = {
      name: 'bench',
      encoding: options.transcoder ? 'standard' : 'none',
      segmentDurationMs: 2_000,
      partDurationMs: 500,
      keyFrameIntervalMs: 2_000,
      takeover: 'replace',
      reconnectGraceMs: 600_000,
      returnAfterMs: 30_000,
      slate: undefined,
      maxLayers: 10,
      ...options.channel,
    }
    const targetMs = targetDurationMs(this.options)
    this.presentation = new Presentation({ id: 'p', epoch: 'e', targetDurationMs: targetMs })
    this.presentation.apply({ type: 'opened', header: this.presentation.header })
    this.channel = new Channel(this.options, {
      clock: options.seenClock ?? this.clock,
      logger: silentLogger,
      numbers: {
        load: () => options.numbers,
        save: async (numbers) => {
          this.saved = numbers
        },
      },
      observer: this.#observer(),
      allocate: (sizeBytes) => new Uint8Array(sizeBytes),
      // Whoever reads a sample that the channel was done with reads this.
      done: (data) => {
        data.fill(0xff)
        options.done?.(data)
      },
      emit: (entry) => {
        this.records.push(entry.record)
        try {
          this.presentation.apply(entry.record)
          this.#written.take(entry)
        } catch (error) {
          this.refused ??= error
        }
      },
      ...(options.slate ? { slate: options.slate } : {}),
      ...(options.transcoder ? { transcoder: options.transcoder } : {}),
    })
  }

  get written(): readonly WrittenSample[] {
    return this.#written.samples
  }

  get droppedCount(): number {
    return [...this.dropped.values()].reduce((sum, count) => sum + count, 0)
  }

  only<T extends LogRecord['type']>(type: T): RecordOf<T>[] {
    return this.records.filter((record): record is RecordOf<T> => record.type === type)
  }

  get discontinuities(): string[] {
    return this.only('discontinuity').map(({ reason }) => reason)
  }

  writtenOf(rendition: string): WrittenSample[] {
    return this.written.filter((sample) => sample.rendition === rendition)
  }

  async publish(layer = 'default', input: InputName = 'primary'): Promise<ContributionSink> {
    const session: { sink?: ContributionSink } = {}
    const admission = await this.channel.admit({
      id: `${layer}/${input}`,
      layer,
      input,
      end: async (reason) => session.sink?.end(reason),
    })
    if (!admission.accepted) throw new Error(admission.description)
    session.sink = admission.sink
    return admission.sink
  }

  #observer(): ChannelObserver {
    return {
      sessionStarted: () => undefined,
      sessionEnded: () => undefined,
      frameReceived: () => {
        this.received++
      },
      frameDropped: (_layer, reason) => void this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1),
      gopEnded: () => undefined,
      drift: () => undefined,
      clockJumped: () => {
        this.jumps++
      },
      audioVideoOffset: () => undefined,
      recordWritten: () => undefined,
      cutForced: () => void this.events.push('cut-forced'),
      inputsChanged: (_layer, active, standby) => {
        this.inputs = { active, standby }
      },
      inputSwitched: (change) => void this.switches.push(change),
      slateShown: () => void this.events.push('slate shown'),
      slateEnded: () => void this.events.push('slate ended'),
      slateFailed: () => void this.events.push('slate failed'),
      inputLost: (reason) => void this.events.push(`lost ${reason}`),
      inputReturned: () => void this.events.push('returned'),
    }
  }
}
