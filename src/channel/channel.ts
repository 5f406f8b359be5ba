import type { Timer } from '../lib/clock.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import { type ChannelChanges, type ChannelOptions, type ChannelPorts, cutRuleOptions } from './channel-options.ts'
import { ChannelTimeline } from './channel-timeline.ts'
import { InputPresence } from './input-presence.ts'
import type { Layer } from './layer.ts'
import { MarkerDesk } from './markers.ts'
import { CueIntake, markerEntry } from './markers-channel.ts'
import { NumberKeeper } from './number-keeper.ts'
import { PassThrough } from './pass-through.ts'
import type { Admission, Publisher } from './ports.ts'
import type { SegmenterNumbers } from './record-writer.ts'
import { ChannelInputs } from './redundancy/channel-inputs.ts'
import type { LogEntry } from './segment-assembly.ts'
import { Segmenter } from './segmenter.ts'
import { ChannelSlates } from './slate/channel-slates.ts'
import { Tap } from './tap.ts'
import { Transcoded } from './transcoded.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
const TICK_MS = 250
/** What a rendition may be silent for before the others go on without it: an encoder of ours holds frames back for look-ahead. */
const PATIENCE_SECONDS = { none: 3, standard: 10 } as const

/** A running channel: publishers come and go, its presentation goes on. */
export class Channel {
  /** What is said of ad markers and timed metadata. */
  readonly markers: MarkerDesk
  #options: ChannelOptions
  readonly #ports: ChannelPorts
  readonly #timeline: ChannelTimeline
  readonly #segmenter: Segmenter
  readonly #numbers: NumberKeeper
  readonly #output: PassThrough | Transcoded
  readonly #inputs: ChannelInputs
  readonly #taps = new Set<Tap>()
  readonly #tracks = new Map<number, Track>()
  readonly #slates: ChannelSlates | undefined
  readonly #presence: InputPresence
  readonly #timer: Timer
  #stopped: Promise<void> | undefined

  constructor(options: ChannelOptions, ports: ChannelPorts) {
    this.#options = options
    this.#ports = ports
    this.#numbers = new NumberKeeper(ports.numbers, ports.logger)
    this.#timeline = new ChannelTimeline(ports.clock, this.#numbers.initial.endTicks / TICKS_PER_MS)
    this.#segmenter = new Segmenter(
      {
        cut: cutRuleOptions(options),
        partSeconds: options.partDurationMs === undefined ? undefined : options.partDurationMs / 1_000,
        patienceSeconds: PATIENCE_SECONDS[options.encoding],
        captions: options.captions,
        allocate: ports.allocate,
        done: ports.done ?? (() => undefined),
        wallMs: () => ports.clock.now(),
        emit: (entry) => this.#emit(entry),
        observer: {
          cutForced: (startTicks) => ports.observer.cutForced(startTicks / TICKS_PER_MS),
          sampleDropped: (rendition, reason) => ports.observer.frameDropped(rendition, reason),
        },
      },
      this.#numbers.initial,
    )
    this.markers = new MarkerDesk({
      nowTicks: () => Math.round(this.#timeline.nowMs() * TICKS_PER_MS),
      emit: (marker) => this.#emit(markerEntry(marker)),
      known: () => ports.markers?.known() ?? [],
      changed: (change) => ports.markers?.changed(change),
    })
    this.#output = this.#createOutput()
    this.#inputs = this.#createInputs()
    const { clock, observer, slate } = ports
    const findMarker = (id: string) => this.markers.find(id)
    this.#slates = slate && new ChannelSlates({ clock, observer, make: slate, inputs: this.#inputs, findMarker })
    this.#presence = this.#createPresence()
    this.#timer = ports.clock.every(TICK_MS, () => this.#tick())
  }

  /** Layers that are being published now. */
  get layers(): readonly string[] {
    return this.#inputs.published
  }

  /** The numbers of what comes next; the object changes. */
  get numbers(): SegmenterNumbers {
    return this.#segmenter.numbers
  }

  /** Takes over what may change while it runs. */
  update(changes: ChannelChanges): void {
    const { slate } = this.#options
    this.#options = { ...this.#options, ...changes }
    this.#slates?.update(slate, changes.slate)
  }

  /** Lets a publisher in, or says why not. With `takeover: replace` the one before is gone when this resolves. */
  async admit(publisher: Publisher): Promise<Admission> {
    if (this.#stopped) return refuse('not-running', 'The channel is not running.')
    if (this.#options.encoding === 'standard' && publisher.layer !== 'default') {
      return refuse('invalid-name', 'This channel makes its own ladder: publish one stream, without a layer name.')
    }
    const { layer, input } = publisher
    const busy = this.#inputs.find(layer)?.publisherOf(input)
    if (busy && this.#options.takeover === 'refuse') {
      return refuse('busy', 'Another encoder is publishing to this input.')
    }
    if (busy) {
      await busy.end('replaced')
      this.#inputs.find(layer)?.leave(busy, 'replaced')
    }
    await this.#output.settled()
    if (this.#stopped) return refuse('not-running', 'The channel is not running.')
    // Two may have waited side by side: the first one back has it.
    const known = this.#inputs.find(layer)
    if (known?.publisherOf(input)) return refuse('busy', 'Another encoder was faster.')
    if (!known && this.#inputs.size >= this.#options.maxLayers)
      return refuse('busy', 'The channel has no room for another layer.')
    const inputs = known ?? this.#inputs.open(layer, input)
    return { accepted: true, sink: inputs.join(publisher) }
  }

  #createInputs(): ChannelInputs {
    const { clock, observer, done = () => undefined, logger } = this.#ports
    const intake = new CueIntake(this.markers, logger)
    return new ChannelInputs({
      clock,
      observer,
      done,
      timeline: this.#timeline,
      output: this.#output,
      keyFrameIntervalMs: this.#options.keyFrameIntervalMs,
      returnAfterMs: () => this.#options.returnAfterMs,
      lost: (reason) => this.#presence.lost(reason),
      heard: () => this.#presence.heard(),
      cued: (cue) => intake.take(cue, this.#options.adMarkerSource),
    })
  }

  #createPresence(): InputPresence {
    const { clock, observer, goesOn = false } = this.#ports
    return new InputPresence({
      clock,
      observer,
      goesOn,
      timeline: this.#timeline,
      segmenter: this.#segmenter,
      slates: this.#slates,
      options: () => this.#options,
      isCovered: () => this.#inputs.areCovered,
      interrupt: () => {
        this.#output.inputLost()
        this.#inputs.interrupt()
      },
    })
  }

  /** The slate is shown while the break of this marker lasts. */
  slateDuring(markerId: string): void {
    this.#slates?.during(markerId)
  }

  /** Tracks that the presentation has announced so far, in order. */
  get tracks(): readonly Track[] {
    return [...this.#tracks.values()]
  }

  /** Attaches a second consumer of the access units that come in; see `Tap`. */
  tap(budgetBytes: number): Tap {
    const tap = new Tap(budgetBytes, (closed) => this.#taps.delete(closed))
    this.#taps.add(tap)
    return tap
  }

  /** Ends the publishers, writes out what came in, and sets the numbers down. `reason` is what the publishers are ended with. */
  stop(reason = 'stopped'): Promise<void> {
    this.#stopped ??= this.#stop(reason)
    return this.#stopped
  }

  async #stop(reason: string): Promise<void> {
    this.#timer.cancel()
    await this.#presence.stop()
    await this.#inputs.end(reason)
    await this.#output.stop()
    this.#segmenter.flush()
    for (const tap of this.#taps) tap.close()
    await this.#numbers.close(this.#segmenter.numbers)
  }

  #createOutput(): PassThrough | Transcoded {
    const shared = {
      segmenter: this.#segmenter,
      timeline: this.#timeline,
      mediaArrived: (layer: Layer) => this.#mediaArrived(layer),
      tapped: (unit: Parameters<Tap['offer']>[0]) => {
        for (const tap of this.#taps) tap.offer(unit)
      },
      layerEnded: (layer: Layer, reason: string) => this.#layerEnded(layer, reason),
    }
    if (this.#options.encoding === 'none') return new PassThrough(shared)
    if (!this.#ports.transcoder) throw new Error('a channel with encoding: standard needs a transcoder')
    return new Transcoded(shared, this.#ports.transcoder)
  }

  #emit(entry: LogEntry): void {
    const { record } = entry
    if (record.type === 'track-added') this.#trackAdded(record.track)
    const track = record.type === 'fragment' ? this.#tracks.get(record.track) : undefined
    const endMs =
      record.type === 'fragment' && track
        ? ((record.startTicks + record.durationTicks) / track.timescale) * 1_000
        : undefined
    this.#ports.observer.recordWritten(record, track?.rendition, endMs)
    this.#ports.emit(entry)
    this.#numbers.used(this.#segmenter.numbers)
  }

  #trackAdded(track: Track): void {
    this.#tracks.set(track.track, track)
    const { rendition, config, bandwidth } = track
    this.#ports.logger.info({ track: track.track, rendition, codec: config.codecString, bandwidth }, 'track added')
  }

  #layerEnded(layer: Layer, reason: string): void {
    const seen = this.#inputs.ended(layer)
    if (seen) this.#slates?.saw(layer.name, seen)
    if (this.#inputs.size === 0) this.#presence.lost(reason)
  }

  #mediaArrived({ source }: Layer): void {
    if (source !== 'slate') this.#presence.heard()
  }

  #tick(): void {
    this.#inputs.review()
    this.markers.tick()
    this.#presence.tick(this.markers.nowTicks)
  }
}

function refuse(reason: 'busy' | 'not-running' | 'invalid-name', description: string): Admission {
  return { accepted: false, reason, description }
}
