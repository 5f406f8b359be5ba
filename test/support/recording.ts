import { execFileSync } from 'node:child_process'
import { concatBytes } from '../../src/lib/bytes.ts'
import { buildFragment, type FragmentSample } from '../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../src/media/cmaf/init-segment.ts'
import { FragmentedMp4Reader } from '../../src/media/isobmff/fragmented-reader.ts'
import { type CodecConfig, timescaleOf } from '../../src/media/media.ts'
import type { SegmentSource } from '../../src/origin/ports.ts'
import { Presentation } from '../../src/presentation/presentation.ts'
import type { LogRecord, PresentationHeader } from '../../src/presentation/records.ts'

export type MediaSample = FragmentSample & { readonly dtsTicks: number }
/** One track of coded media, whose first picture or sound is at 0. */
export type Media = { readonly config: CodecConfig; readonly samples: readonly MediaSample[] }

const TO_FRAGMENTS = [
  ...['-movflags', '+frag_every_frame+delay_moov+default_base_moof+frag_discont+skip_sidx', '-use_editlist', '0'],
  ...['-avoid_negative_ts', 'disabled', '-video_track_timescale', '90000', '-output_ts_offset', '10', '-f', 'mp4'],
]

/** Media that ffmpeg makes of these arguments. */
export function encode(...args: readonly string[]): Media {
  const options = { maxBuffer: 2 ** 28 }
  const bytes = execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...args, ...TO_FRAGMENTS, 'pipe:1'], options)
  let config: CodecConfig | undefined
  const samples: MediaSample[] = []
  for (const event of new FragmentedMp4Reader().push(bytes)) {
    if (event.type === 'init') config = event.tracks[0]!.config
    else samples.push({ ...event.sample, durationTicks: event.durationTicks })
  }
  const startTicks = Math.min(...samples.map(({ dtsTicks, compositionTicks }) => dtsTicks + compositionTicks))
  return {
    config: config!,
    samples: samples.map((sample) => ({ ...sample, dtsTicks: sample.dtsTicks - startTicks })),
  }
}

/** H.264 with B-frames and a key frame each second. */
export function encodeVideo(seconds: number, size = '128x96', ...more: readonly string[]): Media {
  const source = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=${seconds}`]
  const x264 = ['-c:v', 'libx264', '-preset', 'fast', '-bf', '2', '-g', '25', '-keyint_min', '25', '-sc_threshold', '0']
  return encode(...source, ...x264, '-pix_fmt', 'yuv420p', ...more)
}

export function encodeAudio(seconds: number, frequency = 440, ...more: readonly string[]): Media {
  const source = [
    '-f',
    'lavfi',
    '-i',
    `sine=f=${frequency}:r=48000:d=${seconds}`,
    '-ac',
    '2',
    '-c:a',
    'aac',
    '-b:a',
    '64k',
  ]
  return encode(...source, ...more)
}

/** Media that was recorded from `atSeconds` of the recording on; a rendition's next stretch follows with another. */
export type Stretch = { readonly rendition: string; readonly media: Media; readonly atSeconds: number }

export type RecordingOptions = {
  readonly segmentSeconds?: number
  /** Samples of a fragment; a segment is one where absent. */
  readonly fragmentSamples?: number
  readonly startSeconds?: number
  readonly header?: Partial<PresentationHeader>
  /** Hears of every record in its order, and of a fragment's bytes. */
  readonly onRecord?: (record: LogRecord, bytes?: Uint8Array) => void
}

type Placed = MediaSample & { readonly seconds: number; readonly track: number }

/** A presentation and its segments, cut by time out of coded media as a channel would. */
export class Recording {
  readonly presentation: Presentation
  /** By rendition index and sequence number. */
  readonly bytes = new Map<string, Uint8Array>()
  /** What was read of them. */
  readonly reads: { readonly sequence: number; readonly sizeBytes: number }[] = []
  readonly startSeconds: number
  #fragments = 0
  readonly #onRecord: (record: LogRecord, bytes?: Uint8Array) => void

  constructor(stretches: readonly Stretch[], options: RecordingOptions = {}) {
    const { segmentSeconds = 2, startSeconds = 1_760_000_000, header } = options
    this.startSeconds = startSeconds
    this.#onRecord = options.onRecord ?? (() => undefined)
    this.presentation = new Presentation({ id: 'as_1', epoch: 'e1', targetDurationMs: 2_000, ...header })
    const placed = new Map<string, Placed[]>()
    for (const [at, stretch] of stretches.entries()) {
      const { rendition, media } = stretch
      const timescale = timescaleOf(media.config)
      this.#addTrack(at + 1, rendition, media.config)
      const offset = Math.round((startSeconds + stretch.atSeconds) * timescale)
      const samples = media.samples.map((sample) => {
        const dtsTicks = sample.dtsTicks + offset
        const seconds = (dtsTicks + sample.compositionTicks) / timescale - startSeconds
        return { ...sample, dtsTicks, seconds, track: at + 1 }
      })
      placed.set(rendition, [...(placed.get(rendition) ?? []), ...samples])
    }
    this.#cut(placed, segmentSeconds, options.fragmentSamples ?? Number.POSITIVE_INFINITY)
  }

  get source(): SegmentSource {
    return {
      read: async (_id, rendition, sequence, range, signal) => {
        signal.throwIfAborted()
        const bytes = this.bytes.get(`${rendition}/${sequence}`)
        const part = bytes && (range ? bytes.subarray(range.first, range.last + 1) : bytes)
        this.reads.push({ sequence, sizeBytes: part?.byteLength ?? 0 })
        return part
      },
    }
  }

  /** Init and segments of a track, joined: what is in storage. */
  joined(track: number): Uint8Array {
    const view = this.presentation
    const parts = [view.track(track)!.init]
    for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
      for (const { index } of view.renditions) {
        const segment = view.renditionSegment(index, sequence)
        if (segment?.track === track) parts.push(this.bytes.get(`${index}/${sequence}`)!)
      }
    }
    return concatBytes(parts)
  }

  #apply(record: LogRecord, bytes?: Uint8Array): void {
    this.presentation.apply(record)
    this.#onRecord(record, bytes)
  }

  #addTrack(track: number, rendition: string, config: CodecConfig): void {
    const init = buildInitSegment([{ trackId: 1, config }])
    const rates = { bandwidth: 900_000, averageBandwidth: 800_000, nominalBitrate: 700_000 + track }
    const timescale = timescaleOf(config)
    this.#apply({ type: 'track-added', track: { track, rendition, config, timescale, init, ...rates } })
  }

  #cut(placed: ReadonlyMap<string, readonly Placed[]>, segmentSeconds: number, fragmentSamples: number): void {
    const end = Math.max(...[...placed.values()].flat().map(({ seconds }) => seconds))
    for (let sequence = 0; sequence * segmentSeconds <= end; sequence++) {
      const from = sequence === 0 ? Number.NEGATIVE_INFINITY : sequence * segmentSeconds
      const to = (sequence + 1) * segmentSeconds
      const startSeconds = this.startSeconds + sequence * segmentSeconds
      const at = { sequence, wallMs: startSeconds * 1_000 }
      const startTicks = Math.round(startSeconds * 90_000)
      this.#apply({ type: 'segment-opened', ...at, discontinuitySequence: 0, startTicks })
      for (const [index, { name }] of this.presentation.renditions.entries()) {
        this.#segment(index, at, cutOf(placed.get(name) ?? [], from, to), fragmentSamples)
      }
      this.#apply({ type: 'segment-closed', sequence, durationTicks: segmentSeconds * 90_000 })
    }
  }

  #segment(
    rendition: number,
    at: { readonly sequence: number; readonly wallMs: number },
    samples: readonly Placed[],
    fragmentSamples: number,
  ): void {
    const fragments: Uint8Array[] = []
    for (const run of runsOf(samples, fragmentSamples)) {
      const { track, dtsTicks, independent } = run[0]!
      const { config } = this.presentation.track(track)!
      const { bytes, leadingBytes } = buildFragment({
        trackId: 1,
        sequenceNumber: ++this.#fragments,
        baseDecodeTicks: dtsTicks,
        kind: config.kind,
        samples: run,
        opensSegment: fragments.length === 0,
      })
      fragments.push(bytes)
      const startTicks = Math.min(...run.map((sample) => sample.dtsTicks + sample.compositionTicks))
      const durationTicks = run.reduce((sum, sample) => sum + sample.durationTicks, 0)
      const sizeBytes = bytes.byteLength
      const size = { startTicks, durationTicks, sizeBytes, leadingBytes, independent }
      this.#apply({ type: 'fragment', ...at, track, ...size }, bytes)
    }
    if (fragments.length > 0) this.bytes.set(`${rendition}/${at.sequence}`, concatBytes(fragments))
  }
}

/** In coding order; the first key frame of the time opens it, so that a picture that is shown before it goes with it. */
function cutOf(samples: readonly Placed[], from: number, to: number): Placed[] {
  const first = samples.findIndex(({ seconds, independent }) => independent && seconds >= from - 1e-6)
  const end = samples.findIndex(({ seconds, independent }) => independent && seconds >= to - 1e-6)
  return first < 0 ? [] : samples.slice(first, end < 0 ? samples.length : end)
}

/** Fragments: no longer than they may be, and each without a hole. */
function runsOf(samples: readonly Placed[], limit: number): Placed[][] {
  const runs: Placed[][] = []
  for (const sample of samples) {
    const open = runs.at(-1)
    const last = open?.at(-1)
    const goesOn = last && last.track === sample.track && last.dtsTicks + last.durationTicks === sample.dtsTicks
    if (open && goesOn && open.length < limit) open.push(sample)
    else runs.push([sample])
  }
  return runs
}
