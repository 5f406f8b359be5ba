import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import type { Lane } from './lane.ts'

/** How long sound alone waits for pictures that nobody has announced before it leads. */
const AUDIO_ALONE_TICKS = PRESENTATION_TIMESCALE

/** The renditions that take part now, in the order they came: who is heard, and who can lead. */
export class Lanes {
  readonly #lanes: Lane[] = []
  readonly #patienceTicks: number
  #furthestTicks = Number.NEGATIVE_INFINITY

  /** `patienceTicks`: how far the others may move on while one brings nothing, before it is not waited for, 90 kHz. */
  constructor(patienceTicks: number) {
    this.#patienceTicks = patienceTicks
  }

  get all(): readonly Lane[] {
    return this.#lanes
  }

  /** Decode time of the furthest rendition, 90 kHz; -Infinity before the first sample of a stretch. */
  get furthestTicks(): number {
    return this.#furthestTicks
  }

  find(name: string): Lane | undefined {
    for (const lane of this.#lanes) if (lane.track.spec.name === name) return lane
    return undefined
  }

  add(lane: Lane): void {
    this.#lanes.push(lane)
  }

  delete(lane: Lane): void {
    this.#lanes.splice(this.#lanes.indexOf(lane), 1)
  }

  /** The lane has brought a sample. */
  hear(lane: Lane): void {
    const { newestTicks } = lane.track
    if (this.#furthestTicks === Number.NEGATIVE_INFINITY) {
      for (const other of this.#lanes) other.heard(newestTicks, newestTicks)
    }
    if (newestTicks > this.#furthestTicks) this.#furthestTicks = newestTicks
    lane.heard(this.#furthestTicks, newestTicks)
  }

  /** What comes next need not go on where the last sample was. */
  beginStretch(): void {
    this.#furthestTicks = Number.NEGATIVE_INFINITY
    for (const lane of this.#lanes) lane.heard(this.#furthestTicks, this.#furthestTicks)
  }

  /** A segment went out: who could have been in it, and is not in the log at all, has missed its start. */
  closed(sequence: number, isAnnounced: (trackNumber: number) => boolean): void {
    for (const lane of this.#lanes) {
      if (lane.joinSequence <= sequence && !isAnnounced(lane.track.trackNumber)) lane.hasMissedStart = true
    }
  }

  isSilent(lane: Lane): boolean {
    return lane.isSilent(this.#furthestTicks, this.#patienceTicks)
  }

  /** Video that can lead: it is heard, and stands at a key frame or has found its way into a segment. */
  readyVideo(): Lane | undefined {
    for (const lane of this.#lanes) {
      const isReady = lane.at !== undefined || lane.track.queue[0]?.independent
      if (lane.track.isVideo && isReady && !this.isSilent(lane)) return lane
    }
    return undefined
  }

  /** Sound leads where there are no pictures, or none that still come. `mayWait`: pictures may follow soon. */
  readyAudio(isLast: boolean, mayWait: boolean): Lane | undefined {
    let audio: Lane | undefined
    for (const lane of this.#lanes) {
      if (lane.track.isVideo) {
        if (!isLast && !this.isSilent(lane)) return undefined
      } else if (lane.track.queue[0] && !this.isSilent(lane)) {
        audio ??= lane
      }
    }
    const waitedTicks = audio ? audio.track.newestTicks - (audio.track.queue[0]?.decodeTicks ?? 0) : 0
    return mayWait && waitedTicks < AUDIO_ALONE_TICKS ? undefined : audio
  }
}
