import { VersionWaiters } from '../../src/log/version-waiters.ts'
import type { OriginPorts, OriginServer } from '../../src/origin/origin-server.ts'
import { partVersionOf } from '../../src/presentation/live-version.ts'
import type { LogRecord, PresentationHeader } from '../../src/presentation/records.ts'
import { turnsUntil } from './counted-live.ts'
import { FakeLive, START_SECONDS } from './origin-fixture.ts'

export const TARGET_SECONDS = 4
/** Of each rendition, in its own ticks: eight full parts and a rest to a segment, as the segmenter makes them. */
const PARTS = [
  { track: 1, timescale: 90_000, full: 43_200, rest: 14_400 },
  { track: 2, timescale: 48_000, full: 23_552, rest: 3_584 },
] as const
export const PARTS_PER_SEGMENT = 9

/** A presentation of low latency, made part by part: segments of four seconds, parts of up to half a second. */
export class PartedLive extends FakeLive {
  readonly waiters = new VersionWaiters(partVersionOf)
  /** Parts that were made of each rendition, and of those the ones in the open segment. */
  readonly #made = [0, 0]
  #inSegment = [0, 0]
  #discontinuity = 0
  readonly #isAudioOnly: boolean

  constructor(header: Partial<PresentationHeader> = {}, isAudioOnly = false) {
    super({ targetDurationMs: TARGET_SECONDS * 1_000, partDurationMs: 500, ...header })
    this.#isAudioOnly = isAudioOnly
    if (!isAudioOnly) this.addTracks()
    else {
      const { presentation } = new FakeLive().addTracks()
      for (const { tracks } of presentation.renditions.slice(1)) {
        for (const track of tracks) this.presentation.apply({ type: 'track-added', track })
      }
    }
  }

  /** Hears of all that is applied from now on. */
  onRecord: (record: LogRecord, bytes?: Uint8Array) => void = () => undefined

  apply(record: LogRecord, bytes?: Uint8Array): this {
    this.presentation.apply(record)
    this.onRecord(record, bytes)
    this.waiters.moved(this.presentation)
    return this
  }

  get #startSeconds(): number {
    return START_SECONDS + this.presentation.endSequence * TARGET_SECONDS
  }

  open(): this {
    this.#inSegment = [0, 0]
    const sequence = this.presentation.endSequence
    return this.apply({
      type: 'segment-opened',
      sequence,
      discontinuitySequence: this.#discontinuity,
      startTicks: this.#startSeconds * 90_000,
      wallMs: this.#startSeconds * 1_000,
    })
  }

  discontinuity(): this {
    this.#discontinuity++
    return this.apply({
      type: 'discontinuity',
      discontinuitySequence: this.#discontinuity,
      reason: 'input-returned',
    })
  }

  /** The next part of the video (0) or of the audio (1) in the open segment. */
  part(rendition: 0 | 1, count = 1): this {
    for (let made = 0; made < count; made++) this.#part(rendition)
    return this
  }

  #part(rendition: 0 | 1): void {
    const { track, timescale, full, rest } = PARTS[rendition]
    const sequence = this.presentation.endSequence
    const at = this.#inSegment[rendition] ?? 0
    const number = (this.#made[rendition] ?? 0) + 1
    this.#inSegment[rendition] = at + 1
    this.#made[rendition] = number
    const bytes = new Uint8Array(300 + number + rendition).fill(number & 255)
    const key = `${this.#isAudioOnly ? 0 : rendition}/${sequence}`
    this.bytes.set(key, [...(this.bytes.get(key) ?? []), bytes])
    const fragment: LogRecord = {
      type: 'fragment',
      sequence,
      track,
      startTicks: this.#startSeconds * timescale + at * full,
      durationTicks: at === PARTS_PER_SEGMENT - 1 ? rest : full,
      sizeBytes: bytes.byteLength,
      leadingBytes: 100,
      independent: at === 0 || rendition === 1,
      wallMs: this.#startSeconds * 1_000,
      number,
    }
    this.apply(fragment, bytes)
  }

  close(): this {
    const sequence = this.presentation.endSequence
    return this.apply({ type: 'segment-closed', sequence, durationTicks: TARGET_SECONDS * 90_000 })
  }

  segments(count: number): this {
    for (let made = 0; made < count; made++) {
      this.open()
      for (let at = 0; at < PARTS_PER_SEGMENT; at++) {
        if (!this.#isAudioOnly) this.part(0)
        this.part(1)
      }
      this.close()
    }
    return this
  }

  gap(): this {
    const sequence = this.presentation.endSequence
    return this.apply({
      type: 'gap',
      sequence,
      discontinuitySequence: this.#discontinuity,
      startTicks: this.#startSeconds * 90_000,
      durationTicks: TARGET_SECONDS * 90_000,
      wallMs: this.#startSeconds * 1_000,
    })
  }

  override ports(): OriginPorts {
    const ports = super.ports()
    const waitForPart = (id: string, partVersion: number, signal: AbortSignal) =>
      this.waiters.wait(id === this.presentation.header.id ? this.presentation : undefined, partVersion, signal)
    return { ...ports, publications: { ...ports.publications, waitForPart } }
  }
}

/** Resolves when so many requests wait. */
export async function untilBlocked(server: OriginServer, count: number): Promise<void> {
  await turnsUntil(() => server.blockedRequests === count)
}
