import { type Sample, timescaleOf } from '../media/media.ts'
import { type DiscontinuityReason, PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import { CutRule, type CutRuleOptions } from './cut-rule.ts'
import { equalConfigs, hasWaited, opensFor, type RenditionState } from './rendition-state.ts'
import { type QueuedSample, type RenditionSpec, RenditionTrack } from './rendition-track.ts'
import { type LogEntry, SegmentAssembly } from './segment-assembly.ts'
import { describeTrack } from './track-description.ts'

/** What survives a restart: numbers never go back. */
export type SegmenterNumbers = {
  readonly nextSequence: number
  readonly discontinuitySequence: number
  readonly nextTrackNumber: number
  /** End of everything that was ever in the log, 90 kHz. */
  readonly endTicks: number
}

export type SegmenterOptions = {
  readonly cut: CutRuleOptions
  readonly partSeconds: number | undefined
  readonly allocate: (sizeBytes: number) => Uint8Array
  readonly wallMs: () => number
  /** Takes the log's entries in order. */
  readonly emit: (entry: LogEntry) => void
  readonly observer: SegmenterObserver
}

export type SegmenterObserver = {
  /** A segment that does not start with a random access point, because none came in time. */
  cutForced(startTicks: number): void
  /** A sample that came after its segment had to be closed, or before the first key frame. */
  sampleDropped(rendition: string, reason: 'late' | 'no-key-frame'): void
  trackAdded(track: Track): void
}

const TICKS = PRESENTATION_TIMESCALE
/** A rendition this far behind the leading one is not waited for any longer. */
const LAG_TICKS = 3 * TICKS
const MIN_GAP_TICKS = TICKS / 4

/**
 * Cuts all renditions of a presentation at the same instants (streaming.md, HLS) and writes the log's records. One video
 * rendition leads: its cuts are the segments' starts; the others cut at their key frame there, audio at the nearest frame.
 * A sample is assigned once the leading rendition has passed it, because every later cut lies later.
 */
export class Segmenter {
  readonly #options: SegmenterOptions
  readonly #rule: CutRule
  readonly #states = new Map<string, RenditionState>()
  readonly #assemblies: SegmentAssembly[] = []
  readonly #fragmentNumbers = new Map<number, number>()
  /** Tracks that the log knows, by number. */
  readonly #announced = new Map<number, Track>()
  #lead: RenditionState | undefined
  #leadTicks = Number.NEGATIVE_INFINITY
  #numbers: { -readonly [K in keyof SegmenterNumbers]: SegmenterNumbers[K] }
  #pendingDiscontinuity: DiscontinuityReason | undefined

  constructor(options: SegmenterOptions, numbers: SegmenterNumbers) {
    this.#options = options
    this.#rule = new CutRule(options.cut)
    this.#numbers = { ...numbers }
    if (numbers.nextSequence > 0) this.#pendingDiscontinuity = 'restart'
  }

  get numbers(): SegmenterNumbers {
    return this.#numbers
  }

  /** Nothing is under way: gaps may be appended. */
  get isIdle(): boolean {
    return this.#assemblies.length === 0
  }

  /**
   * Says what a rendition is, before its first sample. A changed configuration needs a `discontinuity` before; the same one
   * again is the same track. A rendition that joins a running presentation does so at the next segment, behind a discontinuity.
   */
  configure(spec: RenditionSpec): void {
    this.remove(spec.name)
    const known = [...this.#announced.values()].filter((track) => track.rendition === spec.name)
    const same = known.find((track) => equalConfigs(track.config, spec.config))
    const isNewcomer = known.length === 0 && this.#announced.size > 0
    if (isNewcomer) this.#pendingDiscontinuity ??= 'codec-change'
    const trackNumber = same?.track ?? this.#numbers.nextTrackNumber++
    this.#states.set(spec.name, {
      track: new RenditionTrack(spec, trackNumber, timescaleOf(spec.config)),
      at: undefined,
      needsKeyFrame: true,
      joinSequence: this.#announced.size > 0 ? this.#numbers.nextSequence : 0,
    })
  }

  /** The rendition is no more; what it has is flushed. Unknown names are ignored. */
  remove(name: string): void {
    const state = this.#states.get(name)
    if (!state) return
    state.track.flush()
    this.#pump()
    this.#states.delete(name)
    if (this.#lead === state) this.#lead = undefined
    this.#pass(state, undefined)
    this.#drain()
  }

  /** Takes one sample of a configured rendition. `durationTicks` where its source knows it. */
  push(name: string, sample: Sample, durationTicks?: number): void {
    const state = this.#states.get(name)
    if (!state) return
    state.track.push(sample, durationTicks)
    this.#chooseLead()
    this.#pump()
    this.#drain()
  }

  /** Ends what is open; the next media begins a new stretch of the timeline with a discontinuity. */
  discontinuity(reason: DiscontinuityReason): void {
    this.flush()
    if (this.#closedAny) this.#pendingDiscontinuity = reason
  }

  /** Writes and closes everything that came in; the next segment starts at the next key frame. */
  flush(): void {
    for (const { track } of this.#states.values()) track.flush()
    this.#chooseLead(true)
    this.#pump()
    this.#leadTicks = Number.POSITIVE_INFINITY
    this.#pump()
    for (const state of this.#states.values()) {
      this.#pass(state, undefined)
      state.needsKeyFrame = true
      state.track.queue.length = 0
    }
    this.#drain()
    this.#rule.reset()
    this.#lead = undefined
    this.#leadTicks = Number.NEGATIVE_INFINITY
  }

  /** Appends gaps on the epoch grid, each no longer than a segment, that end at or before `untilTicks` (90 kHz). */
  fillGap(untilTicks: number): void {
    const { segmentTicks } = this.#options.cut
    for (;;) {
      const startTicks = this.#numbers.endTicks
      const endTicks = (Math.floor(startTicks / segmentTicks) + 1) * segmentTicks
      if (endTicks > untilTicks) return
      this.#emitGap(startTicks, endTicks)
    }
  }

  /** The hole between the last gap of the grid and the media that came back, where it is worth a row. */
  #fillRemainder(startTicks: number): void {
    const holeTicks = startTicks - this.#numbers.endTicks
    const isWorthIt = holeTicks >= MIN_GAP_TICKS && holeTicks <= this.#options.cut.targetTicks
    if (isWorthIt && this.#closedAny) this.#emitGap(this.#numbers.endTicks, Math.floor(startTicks))
  }

  get #closedAny(): boolean {
    return this.#numbers.nextSequence > 0
  }

  #emitGap(startTicks: number, endTicks: number): void {
    this.#options.emit({
      record: {
        type: 'gap',
        sequence: this.#numbers.nextSequence++,
        discontinuitySequence: this.#numbers.discontinuitySequence,
        startTicks,
        durationTicks: endTicks - startTicks,
        wallMs: startTicks / (TICKS / 1_000),
      },
    })
    this.#numbers.endTicks = endTicks
  }

  #chooseLead(isFlushing = false): void {
    const stalled = this.#lead !== undefined && this.#furthestTicks() - this.#lead.track.newestTicks > LAG_TICKS
    if (this.#lead?.track.isVideo && !stalled) return
    const states = [...this.#states.values()]
    const isAlive = (state: RenditionState) => this.#furthestTicks() - state.track.newestTicks <= LAG_TICKS
    const video = states.find((state) => state.track.isVideo && isAlive(state) && state.track.queue[0]?.independent)
    const audio = states.find((state) => !state.track.isVideo && isAlive(state) && state.track.queue.length > 0)
    const next = video ?? (isFlushing || stalled || hasWaited(audio) ? audio : undefined)
    if (!next || next === this.#lead) return
    // A key frame that takes the lead over from audio starts a segment of its own.
    if (this.#lead && !this.#lead.track.isVideo) this.#rule.reset()
    this.#lead = next
  }

  #furthestTicks(): number {
    let furthest = Number.NEGATIVE_INFINITY
    for (const { track } of this.#states.values()) furthest = Math.max(furthest, track.newestTicks)
    return furthest
  }

  #pump(): void {
    if (!this.#lead) {
      this.#dropBeforeKeyFrame()
      return
    }
    this.#pumpLead(this.#lead)
    for (const state of this.#states.values()) if (state !== this.#lead) this.#pumpFollower(state)
  }

  /** Video that starts in the middle of a GOP can't be decoded, and must not pile up while nobody leads. */
  #dropBeforeKeyFrame(): void {
    for (const { track } of this.#states.values()) {
      while (track.isVideo && track.queue.length > 0 && !track.queue[0]?.independent) {
        track.queue.shift()
        this.#options.observer.sampleDropped(track.spec.name, 'no-key-frame')
      }
    }
  }

  #pumpLead(lead: RenditionState): void {
    const { queue } = lead.track
    for (let sample = queue.shift(); sample; sample = queue.shift()) {
      const cut = this.#rule.next({
        ptsTicks: sample.timeTicks,
        dtsTicks: sample.decodeTicks,
        independent: sample.independent,
      })
      if (cut) this.#pass(lead, this.#startSegment(sample, cut))
      this.#leadTicks = sample.decodeTicks
      if (lead.at) lead.at.add(lead.track, sample)
      else this.#options.observer.sampleDropped(lead.track.spec.name, 'no-key-frame')
    }
  }

  #startSegment({ timeTicks: startTicks, decodeTicks }: QueuedSample, cut: 'clean' | 'forced'): SegmentAssembly {
    const audioFromTicks = this.isIdle ? Math.min(startTicks, decodeTicks) : startTicks
    if (cut === 'forced') this.#options.observer.cutForced(startTicks)
    const reason = this.#pendingDiscontinuity
    this.#pendingDiscontinuity = undefined
    if (reason && this.isIdle) this.#fillRemainder(startTicks)
    if (reason) this.#numbers.discontinuitySequence++
    const { discontinuitySequence } = this.#numbers
    const head = { sequence: this.#numbers.nextSequence++, discontinuitySequence, startTicks, audioFromTicks, cut }
    const assembly = new SegmentAssembly(head, {
      partSeconds: this.#options.partSeconds,
      allocate: this.#options.allocate,
      wallMs: this.#options.wallMs,
      nextFragmentNumber: (track) => this.#nextFragmentNumber(track),
    })
    if (reason) assembly.entries.push({ record: { type: 'discontinuity', discontinuitySequence, reason } })
    const wallMs = startTicks / (TICKS / 1_000)
    assembly.entries.push({
      record: { type: 'segment-opened', sequence: head.sequence, discontinuitySequence, startTicks, wallMs },
    })
    this.#assemblies.push(assembly)
    return assembly
  }

  #nextFragmentNumber(track: RenditionTrack): number {
    const number = (this.#fragmentNumbers.get(track.trackNumber) ?? 0) + 1
    this.#fragmentNumbers.set(track.trackNumber, number)
    return number
  }

  #pumpFollower(state: RenditionState): void {
    const { queue } = state.track
    while (queue.length > 0) {
      const sample = queue[0] as QueuedSample
      const next = this.#assemblies.find(
        ({ head }) => head.sequence > (state.at?.head.sequence ?? -1) && head.sequence >= state.joinSequence,
      )
      if (next && opensFor(state, next, sample, this.#options.cut.targetTicks)) {
        this.#pass(state, next)
        continue
      }
      if (!next && sample.decodeTicks >= this.#leadTicks) return
      queue.shift()
      if (sample.independent) state.needsKeyFrame = false
      if (state.at && !state.needsKeyFrame) state.at.add(state.track, sample)
      else this.#options.observer.sampleDropped(state.track.spec.name, state.track.isVideo ? 'no-key-frame' : 'late')
    }
  }

  /** The rendition leaves the segment it filled and goes to another (or to none). */
  #pass(state: RenditionState, next: SegmentAssembly | undefined): void {
    state.at?.finish(state.track)
    state.at = next
  }

  /** Lets out what may go: the oldest segment as it grows, and on to the next when everybody has passed it. */
  #drain(): void {
    for (let oldest = this.#assemblies[0]; oldest; oldest = this.#assemblies[0]) {
      const assembly = oldest
      const isComplete = [...this.#states.values()].every((state) => this.#hasPassed(state, assembly))
      if (!isComplete && !this.#canStream(assembly)) return
      if (isComplete) for (const state of this.#states.values()) this.#leaveBehind(state, assembly)
      this.#announce(assembly)
      for (const entry of assembly.entries.splice(0)) this.#options.emit(entry)
      if (!isComplete) return
      this.#close(assembly)
    }
  }

  #hasPassed(state: RenditionState, assembly: SegmentAssembly): boolean {
    const { sequence } = assembly.head
    if (state.joinSequence > sequence) return true
    if (this.#leadTicks === Number.POSITIVE_INFINITY && state.at === undefined) return true
    if ((state.at?.head.sequence ?? -1) > sequence) return true
    const next = this.#assemblies[1]
    const isLagging = next !== undefined && this.#leadTicks - state.track.newestTicks > LAG_TICKS
    return state !== this.#lead && isLagging
  }

  #leaveBehind(state: RenditionState, assembly: SegmentAssembly): void {
    if (state.at !== assembly) return
    this.#pass(state, undefined)
    state.joinSequence = assembly.head.sequence + 1
    state.needsKeyFrame = true
  }

  /** Parts may be seen while their segment grows once the bitrates of everything in it are declared. */
  #canStream(assembly: SegmentAssembly): boolean {
    return [...this.#states.values()].every(
      ({ track, joinSequence }) =>
        this.#announced.has(track.trackNumber) ||
        track.spec.bandwidth !== undefined ||
        joinSequence > assembly.head.sequence,
    )
  }

  #announce(assembly: SegmentAssembly): void {
    for (const [renditionTrack, total] of assembly.totals) {
      if (this.#announced.has(renditionTrack.trackNumber)) continue
      const track = describeTrack(renditionTrack, total, [...this.#announced.values()])
      this.#announced.set(track.track, track)
      this.#options.emit({ record: { type: 'track-added', track } })
      this.#options.observer.trackAdded(track)
    }
  }

  #close(assembly: SegmentAssembly): void {
    this.#assemblies.shift()
    const { sequence, startTicks } = assembly.head
    const nextTicks = this.#assemblies[0]?.head.startTicks ?? Number.POSITIVE_INFINITY
    const durationTicks = Math.round(Math.min(nextTicks - startTicks, assembly.lengthTicks))
    this.#options.emit({ record: { type: 'segment-closed', sequence, durationTicks } })
    this.#numbers.endTicks = Math.max(this.#numbers.endTicks, startTicks + durationTicks)
  }
}
