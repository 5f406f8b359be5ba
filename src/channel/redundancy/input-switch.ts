import type { Contribution } from '../../media/media.ts'
import type { ClockSource } from '../channel-timeline.ts'
import type { Layer } from '../layer.ts'
import type {
  ChannelObserver,
  ContributionSink,
  InputName,
  Publisher,
  SlateMedia,
  SlateWish,
  SwitchReason,
} from '../ports.ts'
import { SlateCover, type SlateOwner } from '../slate/slate-cover.ts'
import { streamOf } from './frame-ring.ts'
import { type Cue, LayerInput } from './layer-input.ts'
import { OnAir } from './on-air.ts'
import type { Frame } from './standby-buffer.ts'
import { Takeover, type TakeoverPorts } from './takeover.ts'
import { TwinWatch } from './twin-watch.ts'

/** What a switch needs of the channel. */
export type InputSwitchPorts = TakeoverPorts & {
  readonly observer: ChannelObserver
  /** Access units that are not read any more. */
  readonly done: (data: Uint8Array) => void
  readonly keyFrameIntervalMs: number
  /** Nothing comes any more, although somebody is still connected. */
  readonly lost: (reason: string) => void
  /** Somebody sends, although a slate is held on the air in its place. */
  readonly heard?: () => void
  /** What an encoder says of its media while a slate is in its place. */
  readonly coveredCue?: (cue: Cue) => void
}

/**
 * One layer's two inputs. The one on the air is passed through; the other is kept ready. Where both carry the same coded frames the
 * change goes on exactly behind the last frame that was passed on, otherwise with a key frame and a discontinuity. See DESIGN.md.
 */
export class InputSwitch {
  readonly name: string
  readonly #ports: InputSwitchPorts
  readonly #inputs = new Map<InputName, LayerInput>()
  readonly #twins = new TwinWatch(this.#inputs)
  readonly #onAir: OnAir
  readonly #takeover: Takeover
  #active: InputName
  #isFrozen = false
  readonly #slate: SlateCover
  /** What the input on the air had, or has. */
  #seen: SlateWish | undefined

  /** `first` is on the air as soon as somebody joins by it. */
  constructor(name: string, first: ClockSource, ports: InputSwitchPorts) {
    this.name = name
    this.#ports = ports
    this.#active = first === 'secondary' ? first : 'primary'
    this.#onAir = new OnAir(ports.openLayer(first), ports.done)
    this.#takeover = new Takeover(ports, this.#twins, this.#onAir)
    this.#slate = new SlateCover(ports.clock)
  }

  get layer(): Layer {
    return this.#onAir.layer
  }

  /** What was last seen of it, to make a slate like it. */
  get seen(): SlateWish | undefined {
    const active = this.#inputs.get(this.#active)
    return active?.looks ?? this.#seen
  }

  /** Who publishes, the one on the air first. */
  get publishers(): readonly Publisher[] {
    const standby = this.#standby
    return [this.#inputs.get(this.#active), standby].flatMap((input) => (input ? [input.publisher] : []))
  }

  publisherOf(input: InputName): Publisher | undefined {
    return this.#inputs.get(input)?.publisher
  }

  /** An encoder was let in by an input that is free. */
  join(publisher: Publisher): ContributionSink {
    const { clock, keyFrameIntervalMs, done, observer } = this.#ports
    const input = new LayerInput(publisher, keyFrameIntervalMs, clock.monotonicMs(), done)
    observer.sessionStarted(this.name, this.#inputs.size > 0)
    // What it brought while it was alone was not looked at.
    for (const { ring } of this.#inputs.values()) ring.clear()
    this.#inputs.set(publisher.input, input)
    this.#tell()
    return {
      push: (contribution) => this.#push(input, contribution),
      end: (reason) => this.#end(input, reason),
    }
  }

  /** The publisher has gone; also where its session has not said so. */
  leave(publisher: Publisher, reason: string): void {
    const gone = this.#inputs.get(publisher.input)
    if (gone?.publisher === publisher) this.#end(gone, reason)
  }

  /** The channel stops: whoever goes, nobody takes over. */
  freeze(): void {
    this.#isFrozen = true
  }

  /** This is on the air in place of an input from now on; see `SlateCover`. */
  showSlate(owner: SlateOwner, media: SlateMedia): void {
    if (!this.#slate.want(owner, media)) return
    if (!this.#slate.isOn) this.#seen = this.#inputs.get(this.#active)?.looks ?? this.#seen
    this.#takeover.replace('slate', () => undefined)
    for (const { buffer } of this.#inputs.values()) buffer.clear()
    const { layer } = this
    this.#slate.play(media, (contribution) => void layer.push(contribution))
    this.#tell()
  }

  /** A slate is on the air that somebody wants. */
  get isCovered(): boolean {
    return this.#slate.isOn && !this.#slate.isLeaving
  }

  /** No break wants it any more: the next key frame of an input takes its place, where there is one to wait for. */
  releaseSlate(isAway: boolean): void {
    if (this.#slate.drop('break') && (isAway || this.#inputs.size === 0)) this.endSlate()
  }

  /** Nothing is to fill an absence any more. */
  hideSlate(): void {
    if (this.#slate.drop('absence')) this.endSlate()
  }

  /** Whoever wants it, it is over: an input goes on as it is, and without one there is nothing any more. */
  endSlate(): void {
    if (!this.#slate.isOn) return
    this.#slate.end()
    const active = this.#inputs.get(this.#active) ?? this.#standby
    if (!active) {
      this.layer.end('slate-ended')
      return
    }
    this.#active = active.publisher.input
    this.#takeover.replace(this.#active, (next) => active.introduce(next))
    this.#tell()
  }

  /** All fell silent. */
  interrupted(): void {
    if (this.#slate.isLeaving) this.endSlate()
    this.layer.interrupted()
  }

  /** Looks at how both are; every few hundred milliseconds. */
  review(): void {
    const active = this.#inputs.get(this.#active)
    const standby = this.#standby
    if (!active || !standby || this.#slate.isOn) return
    const reason = this.#takeover.choose(active, standby)
    if (reason && reason !== 'preferred') this.#change(active, standby, reason)
  }

  get #standby(): LayerInput | undefined {
    return this.#inputs.get(this.#active === 'primary' ? 'secondary' : 'primary')
  }

  #push(input: LayerInput, contribution: Contribution): Promise<void> | undefined {
    if (this.#inputs.get(input.publisher.input) !== input) return undefined
    const isActive = !this.#slate.isOn && input.publisher.input === this.#active
    if (contribution.type === 'frame') return this.#frame(input, contribution, isActive)
    if (contribution.type === 'config' && input.configure(contribution.trackId, contribution.config)) {
      this.#twins.forget()
      input.ring.clear()
      if (!isActive) input.buffer.clear()
    }
    if (!isActive) {
      if (contribution.type === 'cue') this.#standbyCue(input, contribution)
      return undefined
    }
    if (contribution.type !== 'cue' || input.shiftMs === 0) return this.layer.push(contribution)
    const { dtsMs } = contribution
    return this.layer.push({ ...contribution, dtsMs: dtsMs + input.shiftMs, sentMs: dtsMs })
  }

  #standbyCue(input: LayerInput, cue: Cue): void {
    if (this.#slate.isOn && input.publisher.input === this.#active) this.#ports.coveredCue?.(cue)
    else input.holdCue(cue, this.#ports.clock.monotonicMs())
  }

  #frame(input: LayerInput, frame: Frame, isActive: boolean): Promise<void> | undefined {
    const nowMs = this.#ports.clock.monotonicMs()
    const ms = input.unroll(frame.dtsMs)
    input.heardMs = nowMs
    input.vitals.frame(frame, ms, nowMs)
    if (this.#inputs.size > 1) {
      input.ring.add(frame, ms, nowMs)
      this.#twins.arrived(input, frame, nowMs)
    }
    if (isActive) return this.#waits(input, this.#onAir.push(input, { frame, ms, arrivedMs: nowMs }, nowMs))
    input.buffer.add({ frame, ms, arrivedMs: nowMs }, (held) => this.#isNeeded(input, held.frame, held.ms))
    if (this.#slate.isOn) this.#underSlate(input, frame)
    else this.#consider(input, frame)
    return this.#waits(input, this.#takeover.takeWait())
  }

  /** Who is asked to wait is not to blame for it. */
  #waits({ vitals }: LayerInput, wait: Promise<void> | undefined): Promise<void> | undefined {
    if (wait) vitals.hold(wait, () => this.#ports.clock.monotonicMs())
    return wait
  }

  /** A frame of the standby came: maybe it is time to go over to it. */
  #consider(standby: LayerInput, frame: Frame): void {
    const active = this.#inputs.get(this.#active)
    if (!active) return
    const reason = this.#takeover.choose(active, standby)
    if (reason && (reason !== 'preferred' || standby.canBeginWith(frame))) this.#change(active, standby, reason)
  }

  /** The first input that brings a key frame takes its place back, unless a break has it. */
  #underSlate(input: LayerInput, frame: Frame): void {
    const { isHeld, isLeaving } = this.#slate
    // An input that a break's slate stands for is there all the time.
    if (isHeld || isLeaving) this.#ports.heard?.()
    if (isHeld || !input.canBeginWith(frame)) return
    this.#slate.end()
    this.#active = input.publisher.input
    this.#takeover.beginAnew(input)
    this.#tell()
  }

  /** Whether what is on the air has not got as far as this frame of the standby. */
  #isNeeded(standby: LayerInput, frame: Frame, ms: number): boolean {
    const active = this.#inputs.get(this.#active)
    const shiftMs = active && this.#twins.shiftMs(active, standby, false)
    return shiftMs !== undefined && this.#onAir.lacks(streamOf(frame), ms + shiftMs)
  }

  #change(active: LayerInput, standby: LayerInput, reason: SwitchReason): void {
    const isSeamless = this.#takeover.change(active, standby, reason)
    const [from, to] = [this.#active, standby.publisher.input]
    this.#active = to
    // Who was on the air has not said it any more.
    for (const cue of standby.cuesSince(active.heardMs)) void this.#push(standby, cue)
    this.#ports.observer.inputSwitched({ layer: this.name, from, to, reason, isSeamless })
    this.#tell()
  }

  #end(input: LayerInput, reason: string): void {
    const { input: name } = input.publisher
    if (this.#inputs.get(name) !== input) return
    const standby = this.#standby
    const isOnAir = name === this.#active && !this.#slate.isOn
    if (isOnAir) this.#seen = input.looks
    if (isOnAir && standby && !this.#isFrozen) this.#yield(input, standby, reason)
    input.buffer.clear()
    this.#inputs.delete(name)
    this.#twins.forget()
    this.#ports.observer.sessionEnded(this.name)
    if (this.#inputs.size === 0 && this.#slate.isLeaving) this.endSlate()
    else if (this.#inputs.size === 0 && !this.#slate.isOn) this.layer.end(reason)
    else if (name === this.#active) this.#active = standby?.publisher.input ?? name
    this.#tell()
  }

  /** Whether or not it is any better. */
  #yield(gone: LayerInput, standby: LayerInput, reason: string): void {
    const { clock, lost } = this.#ports
    if (standby.vitals.fault(clock.monotonicMs(), this.#twins.areTwins) === 'silent') lost(reason)
    this.#change(gone, standby, 'ended')
  }

  #tell(): void {
    const active = this.#inputs.has(this.#active) && !this.#slate.isOn ? this.#active : undefined
    const standby = this.#standby && active ? this.#standby.publisher.input : undefined
    this.#ports.observer.inputsChanged(this.name, active, standby)
  }
}
