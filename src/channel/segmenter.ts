import { type Sample, timescaleOf } from '../media/media.ts'
import { type DiscontinuityReason, PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { type Cut, CutRule } from './cut-rule.ts'
import { Lane } from './lane.ts'
import { Lanes } from './lanes.ts'
import { RecordWriter, type SegmenterNumbers } from './record-writer.ts'
import { type QueuedSample, type RenditionSpec, RenditionTrack } from './rendition-track.ts'
import { SegmentAssembly } from './segment-assembly.ts'
import type { SegmenterOptions } from './segmenter-options.ts'

const TICKS = PRESENTATION_TIMESCALE
/**
 * Cuts all renditions of a presentation at the same instants (streaming.md, HLS). One video rendition leads: its cuts are the
 * segments' starts; the others cut at their key frame there, audio at the nearest frame. A sample is assigned once the
 * leading rendition has passed it, because every later cut lies later. See DESIGN.md.
 */
export class Segmenter {
  readonly #options: SegmenterOptions
  readonly #rule: CutRule
  readonly #writer: RecordWriter
  readonly #lanes: Lanes
  /** By number; a track that comes back goes on where it was. */
  readonly #tracks = new Map<number, RenditionTrack>()
  /** Begun and not closed, oldest first, linked by `next`. */
  readonly #assemblies: SegmentAssembly[] = []
  #lead: Lane | undefined
  /** How far the leading rendition has decided. */
  #leadTicks = Number.NEGATIVE_INFINITY

  constructor(options: SegmenterOptions, numbers: SegmenterNumbers) {
    this.#options = options
    this.#lanes = new Lanes(options.patienceSeconds * TICKS)
    this.#rule = new CutRule(options.cut)
    this.#writer = new RecordWriter(options.cut.segmentTicks, options.emit, numbers, options.captions)
  }

  /** As they are now; the object changes. */
  get numbers(): SegmenterNumbers {
    return this.#writer.numbers
  }

  /** Nothing is under way: gaps may be appended. */
  get isIdle(): boolean {
    return this.#assemblies.length === 0
  }

  /**
   * Says what a rendition is, before its first sample and when it changes. One that changes, or that joins a running
   * presentation, does so at the next segment, behind a discontinuity; the same again goes on as it was.
   */
  configure(spec: RenditionSpec): void {
    const { trackNumber, kind, previous } = this.#writer.assign(spec)
    const before = this.#lanes.find(spec.name)
    if (before?.track.trackNumber === trackNumber) return
    if (before) this.#remove(before)
    if (kind === 'newcomer' || kind === 'changed') this.#breakFor()
    const track = this.#tracks.get(trackNumber) ?? new RenditionTrack(spec, trackNumber, timescaleOf(spec.config))
    this.#tracks.set(trackNumber, track)
    const predecessor = this.#tracks.get(previous ?? trackNumber)
    if (predecessor) track.follow(predecessor)
    const mayJoinOpen = kind === 'first' || (kind === 'same' && !track.isVideo && !this.#writer.isDiscontinuous)
    const { nextSequence } = this.#writer.numbers
    const joinSequence = mayJoinOpen && !this.isIdle ? nextSequence - 1 : nextSequence
    this.#lanes.add(new Lane(track, joinSequence, this.#lanes.furthestTicks))
  }

  /** The rendition is no more; what it has is flushed. Unknown names are ignored. */
  remove(name: string): void {
    const lane = this.#lanes.find(name)
    if (lane) this.#remove(lane)
  }

  /** Takes one sample of a configured rendition. `durationTicks` where its source knows it. */
  push(name: string, sample: Sample, durationTicks?: number): void {
    const lane = this.#lanes.find(name)
    if (!lane) return
    if (!lane.track.push(sample, durationTicks)) {
      this.#options.observer.sampleDropped(name, 'late')
      this.#options.done(sample.data)
      return
    }
    this.#lanes.hear(lane)
    if (lane.hasMissedStart) this.#joinLate(lane)
    this.#chooseLead(false)
    this.#pump()
    this.#drain()
  }

  /** Ends what is open; the next media begins a new stretch of the timeline with a discontinuity. */
  discontinuity(reason: DiscontinuityReason): void {
    this.flush()
    this.#writer.discontinuity(reason)
  }

  /** Writes and closes everything that came in; the next segment starts at the next key frame. */
  flush(): void {
    for (const { track } of this.#lanes.all) track.flush()
    this.#chooseLead(true)
    this.#pump()
    this.#leadTicks = Number.POSITIVE_INFINITY
    this.#pump()
    for (const lane of this.#lanes.all) this.#leave(lane)
    this.#drain()
    this.#rule.reset()
    this.#lead = undefined
    this.#leadTicks = Number.NEGATIVE_INFINITY
    this.#lanes.beginStretch()
  }

  /** Appends gaps on the epoch grid that end at or before `untilTicks` (90 kHz), if nothing is under way. */
  fillGap(untilTicks: number): void {
    if (this.isIdle) this.#writer.fillGap(untilTicks)
  }

  /** The next segment brings a track that the ones before did not have. */
  #breakFor(): void {
    this.#writer.discontinuity('codec-change')
    // Sound that leads goes on until the pictures that join are there, and take over from it.
    if (this.#lead?.track.isVideo) this.#rule.hurry()
  }

  /** Announced in time, but heard only after segments had to go out without it: as one that is configured now. */
  #joinLate(lane: Lane): void {
    lane.hasMissedStart = false
    lane.joinSequence = this.#writer.numbers.nextSequence
    this.#breakFor()
  }

  #remove(lane: Lane): void {
    lane.track.flush()
    this.#pump()
    this.#leave(lane)
    this.#lanes.delete(lane)
    if (this.#lead === lane) this.#lead = undefined
    this.#drain()
  }

  /** Out of all segments; what still waits has no place. */
  #leave(lane: Lane): void {
    lane.pass(undefined)
    for (const sample of lane.track.queue) this.#drop(lane, sample)
    lane.track.queue.length = 0
  }

  #chooseLead(isFlushing: boolean): void {
    const lead = this.#lead
    const isLost = lead === undefined || this.#lanes.isSilent(lead)
    if (lead?.track.isVideo && !isLost) return
    const mayWait = !isFlushing && this.isIdle
    const next = this.#lanes.readyVideo() ?? (isLost ? this.#lanes.readyAudio(isFlushing, mayWait) : undefined)
    if (!next || next === lead) return
    if (lead) this.#release(lead)
    // One whose key frames were not the cuts so far starts a segment of its own.
    if (this.isIdle) this.#rule.reset()
    else if (!next.at || lead?.track.isVideo === false) this.#rule.hurry()
    this.#lead = next
  }

  /** Each lane's samples go where they belong, as far as that is decided; the leading one decides first. */
  #pump(): void {
    if (this.#lead) this.#pumpLane(this.#lead)
    for (const lane of this.#lanes.all) if (lane !== this.#lead) this.#pumpLane(lane)
  }

  #pumpLane(lane: Lane): void {
    const { queue } = lane.track
    for (let sample = queue[0]; sample; sample = queue[0]) {
      const next = this.#nextFor(lane)
      if (next) {
        if (lane.opens(next, sample, this.#options.cut.targetTicks)) {
          lane.pass(next)
          continue
        }
      } else if (lane === this.#lead) {
        this.#decide(lane, sample)
      } else if (!this.#isDecided(lane, sample)) {
        return
      }
      queue.shift()
      if (lane.at) lane.at.add(lane.track, sample)
      else this.#turnAway(lane, sample)
    }
  }

  /** The segment after the one that the lane is in; for one that is in none, the first that it may join. */
  #nextFor(lane: Lane): SegmentAssembly | undefined {
    if (lane.at) return lane.at.next
    for (const assembly of this.#assemblies) if (assembly.head.sequence >= lane.joinSequence) return assembly
    return undefined
  }

  /** Whether a follower's sample can go on: no later cut may take it. Video that could lead waits until it does. */
  #isDecided(lane: Lane, sample: QueuedSample): boolean {
    const isCandidate = lane.track.isVideo && !lane.at
    if (isCandidate && !sample.independent) return true
    if (isCandidate && !this.#lead?.track.isVideo && this.#leadTicks !== Number.POSITIVE_INFINITY) return false
    return sample.decodeTicks < this.#leadTicks
  }

  #decide(lead: Lane, sample: QueuedSample): void {
    const { timeTicks, decodeTicks, durationTicks, data } = sample
    const cut = this.#rule.next({
      ptsTicks: timeTicks,
      dtsTicks: decodeTicks,
      durationTicks: (durationTicks / lead.track.timescale) * TICKS,
      sizeBytes: data.byteLength,
      independent: sample.independent && timeTicks >= this.#writer.floorTicks,
    })
    if (cut) lead.pass(this.#begin(sample, cut))
    this.#leadTicks = Math.max(this.#leadTicks, decodeTicks)
  }

  /** A forced cut is made in decoding order: what is shown from there on is shown no earlier than it is decoded. */
  #begin({ timeTicks, decodeTicks }: QueuedSample, cut: Cut): SegmentAssembly {
    const startTicks = cut === 'forced' ? decodeTicks : timeTicks
    if (cut === 'forced') this.#options.observer.cutForced(startTicks)
    const { head, opening } = this.#writer.begin({ startTicks, decodeTicks, cut }, this.isIdle)
    const assembly = new SegmentAssembly(head, opening, this.#options)
    const newest = this.#assemblies.at(-1)
    if (newest) newest.next = assembly
    this.#assemblies.push(assembly)
    return assembly
  }

  /** In no segment: before the first key frame, or too late for the one it belongs to. Nobody waits for such a lane. */
  #turnAway(lane: Lane, sample: QueuedSample): void {
    this.#drop(lane, sample)
    for (const { head } of this.#assemblies) {
      if (head.startTicks <= sample.decodeTicks) lane.joinSequence = Math.max(lane.joinSequence, head.sequence)
    }
  }

  #drop(lane: Lane, sample: QueuedSample): void {
    const reason = lane.track.isVideo && !sample.independent ? 'no-key-frame' : 'late'
    this.#options.observer.sampleDropped(lane.track.spec.name, reason)
    this.#options.done(sample.data)
  }

  /** Lets out what may go: the oldest segment as it grows, and on to the next when everybody has passed it. */
  #drain(): void {
    for (let oldest = this.#assemblies[0]; oldest; oldest = this.#assemblies[0]) {
      const isComplete = this.#isComplete(oldest)
      if (isComplete) for (const lane of this.#lanes.all) if (lane.at === oldest) this.#leaveBehind(lane, oldest)
      if (isComplete || (oldest.entries.length > 0 && this.#canStream(oldest))) this.#writer.release(oldest)
      if (!isComplete) return
      this.#writer.close(oldest)
      this.#assemblies.shift()
      this.#lanes.closed(oldest.head.sequence, (trackNumber) => this.#writer.isAnnounced(trackNumber))
    }
  }

  #isComplete(assembly: SegmentAssembly): boolean {
    for (const lane of this.#lanes.all) if (!this.#hasPassed(lane, assembly)) return false
    return true
  }

  #hasPassed(lane: Lane, { head, next }: SegmentAssembly): boolean {
    if (lane.at ? lane.at.head.sequence > head.sequence : lane.joinSequence > head.sequence) return true
    if (this.#leadTicks === Number.POSITIVE_INFINITY) return lane.at === undefined
    return next !== undefined && lane !== this.#lead && this.#lanes.isSilent(lane)
  }

  /** A silent lane is passed over. It may come back in a later segment. */
  #leaveBehind(lane: Lane, assembly: SegmentAssembly): void {
    this.#release(lane)
    if (lane.at === assembly) lane.pass(undefined)
    lane.joinSequence = Math.max(lane.joinSequence, assembly.head.sequence + 1)
  }

  /** Its last sample waits for no other any more. */
  #release(lane: Lane): void {
    lane.track.flush()
    this.#pumpLane(lane)
  }

  /** Parts may be seen while their segment grows once the bitrates of everything in it are declared. */
  #canStream({ head }: SegmentAssembly): boolean {
    for (const lane of this.#lanes.all) {
      const { trackNumber, spec } = lane.track
      const isDeclared = spec.bandwidth !== undefined || this.#writer.isAnnounced(trackNumber)
      if (!isDeclared && lane.joinSequence <= head.sequence && !this.#lanes.isSilent(lane)) return false
    }
    return true
  }
}
