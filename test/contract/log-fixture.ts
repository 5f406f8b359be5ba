import { FragmentMemory } from '../../src/log/fragment-memory.ts'
import { PresentationLog, type PresentationLogOptions } from '../../src/log/presentation-log.ts'
import type { PresentationHeader, Track } from '../../src/presentation/records.ts'

const START_SECONDS = 1_700_000_000
const SEGMENT_SECONDS = 2

export function testTrack(track: number, rendition: string, kind: 'video' | 'audio'): Track {
  const message = new Uint8Array(100_000)
  const shared = {
    track,
    rendition,
    timescale: kind === 'video' ? 90_000 : 48_000,
    init: message.subarray(10, 60),
    bandwidth: 1_000_000,
    averageBandwidth: 900_000,
    nominalBitrate: 900_000,
  }
  const record = message.subarray(100, 120)
  if (kind === 'video') {
    return { ...shared, config: { kind, codec: 'avc', record, width: 640, height: 360, codecString: 'avc1.64001f' } }
  }
  return {
    ...shared,
    config: {
      kind,
      codec: 'aac',
      record,
      sampleRate: 48_000,
      channels: 2,
      samplesPerFrame: 1024,
      codecString: 'mp4a.40.2',
    },
  }
}

/** A log and what is appended to it: segments of two fragments of video and one of audio. */
export class TestLog {
  readonly memory: FragmentMemory
  readonly log: PresentationLog

  constructor(
    id: string,
    options: Partial<PresentationLogOptions> = {},
    header: Partial<PresentationHeader> = { rewindWindowMs: 20_000 },
  ) {
    this.memory = options.memory ?? new FragmentMemory({ regionBytes: 1 << 20 })
    this.log = new PresentationLog(
      { id, epoch: 'e', targetDurationMs: 2_000, ...header },
      { budgetBytes: 1e9, retainMs: 0, ...options, memory: this.memory },
    )
  }

  addTracks(): this {
    this.log.append({ type: 'track-added', track: testTrack(1, 'video-1', 'video') })
    this.log.append({ type: 'track-added', track: testTrack(2, 'audio-1', 'audio') })
    return this
  }

  /** Appends whole segments; the bytes of a fragment are its segment's number and its own, over and over. */
  addSegments(count: number, fragmentBytes = 100): this {
    for (let added = 0; added < count; added++) {
      this.open()
      for (const half of [0, 1]) this.fragment(half, fragmentBytes)
      this.audio()
      this.close()
    }
    return this
  }

  open(): void {
    const sequence = this.log.view.endSequence
    const startTicks = this.#seconds(sequence) * 90_000
    const wallMs = this.#seconds(sequence) * 1000
    this.log.append({ type: 'segment-opened', sequence, discontinuitySequence: 0, startTicks, wallMs })
  }

  fragment(half: number, fragmentBytes = 100): void {
    const sequence = this.log.view.endSequence
    this.#append(1, (this.#seconds(sequence) + half) * 90_000, 90_000, fragmentBytes, sequence * 2 + half)
  }

  audio(): void {
    const sequence = this.log.view.endSequence
    this.#append(2, this.#seconds(sequence) * 48_000, 96_000, 10, sequence)
  }

  close(): void {
    this.log.append({ type: 'segment-closed', sequence: this.log.view.endSequence, durationTicks: 180_000 })
  }

  /** What `read` gives of the video of a segment. */
  static videoOf(sequence: number, fragmentBytes = 100): number[][] {
    return [0, 1].map((half) => Array.from({ length: fragmentBytes }, () => (sequence * 2 + half) & 255))
  }

  #append(track: number, startTicks: number, durationTicks: number, sizeBytes: number, fill: number): void {
    const bytes = this.memory.allocate(sizeBytes)
    bytes.fill(fill)
    const sequence = this.log.view.endSequence
    const wallMs = this.#seconds(sequence) * 1000
    this.log.append(
      {
        type: 'fragment',
        sequence,
        track,
        startTicks,
        durationTicks,
        sizeBytes,
        leadingBytes: Math.min(5, sizeBytes),
        independent: true,
        wallMs,
      },
      bytes,
    )
    this.memory.disown(bytes)
  }

  #seconds(sequence: number): number {
    return START_SECONDS + sequence * SEGMENT_SECONDS
  }
}
