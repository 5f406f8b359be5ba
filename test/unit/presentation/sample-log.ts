import type { LogRecord, PresentationHeader, Track } from '../../../src/presentation/records.ts'

/** 2026-11-21T05:20:00Z on the 90 kHz timeline. */
export const START_TICKS = 1_795_238_400 * 90_000

export const sampleHeader: PresentationHeader = { id: 'p1', epoch: 'e1', targetDurationMs: 2_000 }

export function videoTrack(track: number, rendition: string, more: Partial<Track> = {}): Track {
  return {
    track,
    rendition,
    config: {
      kind: 'video',
      codec: 'avc',
      record: new Uint8Array([1]),
      width: 1_280,
      height: 720,
      codecString: 'avc1.64001f',
    },
    timescale: 90_000,
    init: new Uint8Array([track]),
    bandwidth: 4_000_000,
    averageBandwidth: 3_500_000,
    nominalBitrate: 3_500_000 + track,
    frameRate: 25,
    ...more,
  }
}

export function audioTrack(track: number, rendition: string, more: Partial<Track> = {}): Track {
  const timescale = more.timescale ?? 48_000
  return {
    track,
    rendition,
    config: {
      kind: 'audio',
      codec: 'aac',
      record: new Uint8Array([0x11, 0x90]),
      sampleRate: timescale,
      channels: 2,
      samplesPerFrame: 1_024,
      codecString: 'mp4a.40.2',
    },
    timescale,
    init: new Uint8Array([track]),
    bandwidth: 140_000,
    averageBandwidth: 128_000,
    nominalBitrate: 128_000 + track,
    ...more,
  }
}

type Playing = { track: Track /** Where its next frame starts, in its timescale. */; nextTicks: number }

type SegmentOptions = {
  /** Renditions that have nothing in this segment. */
  readonly without?: readonly string[]
  readonly independent?: boolean
  /** How many fragments each rendition's media comes in. */
  readonly parts?: number
}

/**
 * Writes a log as a segmenter does: one video clock, audio in whole frames cut nearest to the video's cuts. `records` is
 * what has been written.
 */
export class SampleLog {
  readonly records: LogRecord[]
  readonly #playing = new Map<string, Playing>()
  #sequence: number
  #discontinuitySequence = 0
  #ticks = START_TICKS

  constructor(header: PresentationHeader = sampleHeader, firstSequence = 0) {
    this.records = [{ type: 'opened', header }]
    this.#sequence = firstSequence
  }

  get nextSequence(): number {
    return this.#sequence
  }

  add(track: Track): this {
    this.records.push({ type: 'track-added', track })
    this.#playing.set(track.rendition, { track, nextTicks: toTimescale(this.#ticks, track.timescale) })
    return this
  }

  /** A segment whose video is `durationTicks` long at 90 kHz. */
  segment(durationTicks = 180_000, options: SegmentOptions = {}): this {
    const sequence = this.#sequence++
    this.records.push({ type: 'segment-opened', sequence, ...this.#head() })
    const endTicks = this.#ticks + durationTicks
    for (const [name, playing] of this.#playing) {
      const from = playing.nextTicks
      const until = endOfMedia(playing, endTicks)
      playing.nextTicks = until
      if (!options.without?.includes(name)) this.#fragments(sequence, playing.track, from, until, options)
    }
    this.records.push({ type: 'segment-closed', sequence, durationTicks })
    this.#ticks = endTicks
    return this
  }

  segments(count: number, durationTicks = 180_000): this {
    for (let made = 0; made < count; made++) this.segment(durationTicks)
    return this
  }

  gap(durationTicks = 180_000): this {
    this.records.push({ type: 'gap', sequence: this.#sequence++, ...this.#head(), durationTicks })
    this.#ticks += durationTicks
    for (const playing of this.#playing.values()) playing.nextTicks = endOfMedia(playing, this.#ticks)
    return this
  }

  /** The timeline goes on `jumpTicks` later. */
  discontinuity(jumpTicks = 45_000): this {
    this.#discontinuitySequence++
    this.records.push({
      type: 'discontinuity',
      discontinuitySequence: this.#discontinuitySequence,
      reason: 'input-returned',
    })
    this.#ticks += jumpTicks
    for (const playing of this.#playing.values()) {
      playing.nextTicks = toTimescale(this.#ticks, playing.track.timescale)
    }
    return this
  }

  evict(firstSequence: number): this {
    this.records.push({ type: 'evicted', firstSequence })
    return this
  }

  lose(firstSequence: number, endSequence = firstSequence + 1): this {
    this.records.push({ type: 'lost', firstSequence, endSequence })
    return this
  }

  archive(): this {
    this.records.push({ type: 'archived' })
    return this
  }

  end(): this {
    this.records.push({ type: 'ended' })
    return this
  }

  #head() {
    const startTicks = this.#ticks
    return { discontinuitySequence: this.#discontinuitySequence, startTicks, wallMs: startTicks / 90 }
  }

  #fragments(
    sequence: number,
    { track, timescale }: Track,
    from: number,
    until: number,
    options: SegmentOptions,
  ): void {
    const { parts = 1, independent = true } = options
    for (let part = 0; part < parts; part++) {
      const startTicks = from + Math.floor(((until - from) * part) / parts)
      const endTicks = from + Math.floor(((until - from) * (part + 1)) / parts)
      this.records.push({
        type: 'fragment',
        sequence,
        track,
        startTicks,
        durationTicks: endTicks - startTicks,
        sizeBytes: 1_000 + track,
        leadingBytes: 200 + track,
        independent: independent && part === 0,
        wallMs: (startTicks / timescale) * 1_000,
      })
    }
  }
}

/** The frame boundary of this rendition that is nearest to `endTicks` (90 kHz). */
function endOfMedia({ track, nextTicks }: Playing, endTicks: number): number {
  const end = toTimescale(endTicks, track.timescale)
  if (track.config.kind === 'video') return end
  return nextTicks + Math.round((end - nextTicks) / 1_024) * 1_024
}

function toTimescale(ticks: number, timescale: number): number {
  return Number((BigInt(ticks) * BigInt(timescale)) / 90_000n)
}
