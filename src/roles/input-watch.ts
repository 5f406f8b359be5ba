import type { MarkerChange } from '../channel/markers-news.ts'
import type { DropReason, InputSwitched } from '../channel/ports.ts'
import type { Channel, IngestInput } from '../domain/channel.ts'
import { durationMs } from '../domain/duration.ts'
import { type EventData, type EventType, type NewEvent, newEvent } from '../domain/events.ts'
import type { InputHealth, InputStatus } from '../domain/input-health.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Contribution } from '../media/media.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { InputMonitor } from './input-monitor.ts'

/** Takes what happened, for whoever wants to hear of it; never throws, and nobody waits for it. */
export type EventRecorder = { record(event: NewEvent): void }

/** One encoder that was let in. */
export type InputSession = {
  readonly sessionId: string
  readonly input: IngestInput
  readonly layer: string
  readonly address: string
}

/** What an encoder says of itself as it connects. */
export type EncoderWords = { readonly encoder: string; readonly secure: boolean; readonly enhanced: boolean }

/** Why an encoder has gone. */
export type DisconnectReason = EventData<'channel.encoder-disconnected'>['reason']

/** What a channel's inputs are watched with. */
export type InputWatchPorts = {
  readonly clock: Clock
  readonly events: EventRecorder
  readonly heartbeatMs: number
  /** Nobody has published for the channel's `idleStopAfter`. */
  readonly onIdle: () => void
}

type Watched = {
  readonly session: InputSession
  readonly monitor: InputMonitor
  readonly sinceMs: number
  beatMs: number
}

const LOOK_MS = 1_000
const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** How often it is said again that nobody publishes. */
const IDLE_AGAIN_MS = 60_000
const LONGEST_TEXT = 256
const LONGEST_DETAIL = 1_024

/** Of everything in the list; `undefined` of an empty one. */
function healthOf(watched: readonly Watched[]): InputHealth | undefined {
  if (watched.length === 0) return undefined
  const reasons = new Map<string, InputHealth['reasons'][number]>()
  for (const { monitor } of watched) {
    for (const reason of monitor.health.reasons) if (!reasons.has(reason.code)) reasons.set(reason.code, reason)
  }
  return { status: reasons.size === 0 ? 'good' : 'degraded', reasons: [...reasons.values()] }
}

/** Watches who publishes to a channel and how that goes, and tells of it in events. */
export class InputWatch {
  readonly #channel: () => Channel
  readonly #ports: InputWatchPorts
  readonly #timer: Timer
  readonly #watched = new Map<InputSession, Watched>()
  /** What was said last of the input's health; what is good needs no saying at first. */
  #toldHealth = ''
  /** By which input each layer is fed, as long as it is. */
  readonly #active = new Map<string, IngestInput>()
  #lastInput: IngestInput = 'primary'
  #lostMs: number | undefined
  #slateMs = 0
  #idleSinceMs: number

  /** `channel`: as it is now. */
  constructor(channel: () => Channel, ports: InputWatchPorts) {
    this.#channel = channel
    this.#ports = ports
    this.#idleSinceMs = ports.clock.monotonicMs()
    this.#timer = ports.clock.every(LOOK_MS, () => this.#look())
  }

  /** Of everything that is being published; `undefined` while nothing is. */
  get health(): InputHealth | undefined {
    return healthOf([...this.#watched.values()])
  }

  /** Each input that somebody publishes by: how it is, and whether viewers see it. */
  get inputs(): readonly InputStatus[] {
    return (['primary', 'secondary'] as const).flatMap((input) => {
      const health = healthOf([...this.#watched.values()].filter(({ session }) => session.input === input))
      return health ? [{ input, active: [...this.#active.values()].includes(input), health }] : []
    })
  }

  /** The result counts what the encoder sends; give it each contribution before the channel has it. */
  connected(session: InputSession, words: EncoderWords): (contribution: Contribution) => void {
    const { clock } = this.#ports
    const nowMs = clock.monotonicMs()
    const monitor = new InputMonitor(durationMs(this.#channel().input.keyFrameInterval), clock)
    this.#watched.set(session, { session, monitor, sinceMs: nowMs, beatMs: nowMs })
    const encoder = words.encoder.slice(0, LONGEST_TEXT)
    this.#record('channel.encoder-connected', { ...session, ...words, encoder })
    return (contribution) => monitor.take(contribution)
  }

  disconnected(session: InputSession, reason: DisconnectReason): void {
    const watched = this.#watched.get(session)
    if (!watched) return
    const nowMs = this.#ports.clock.monotonicMs()
    this.#watched.delete(session)
    if (this.#watched.size === 0) {
      this.#idleSinceMs = nowMs
      this.#toldHealth = ''
    }
    const connectedForMs = Math.round(nowMs - watched.sinceMs)
    this.#record('channel.encoder-disconnected', { ...session, reason, connectedForMs })
  }

  /** `name`: a layer, or a rendition; what became of a rendition is an encoder's doing where it made it, and there is no other. */
  frameDropped(name: string, reason: DropReason): void {
    // An encoder may begin in the middle of a GOP; too few key frames have a reason of their own.
    if (reason === 'no-key-frame') return
    const onAir = [...this.#watched.values()].filter(({ session }) => this.#active.get(session.layer) === session.input)
    const [only, ...others] = onAir
    const isDirect = others.length === 0 && this.#channel().encoding.kind === 'none'
    const monitor = this.#monitorOf(name) ?? (isDirect ? only?.monitor : undefined)
    monitor?.dropped()
  }

  drift(layer: string, ms: number): void {
    this.#monitorOf(layer)?.drift(ms)
  }

  clockJumped(layer: string): void {
    this.#monitorOf(layer)?.clockJumped()
  }

  /** Another input feeds the layer, or one feeds it at all; `undefined`: none does. */
  inputsChanged(layer: string, active: IngestInput | undefined): void {
    if (active === undefined) {
      this.#active.delete(layer)
      return
    }
    this.#active.set(layer, active)
    this.#lastInput = active
  }

  inputSwitched({ isSeamless, ...change }: InputSwitched): void {
    this.#record('channel.input-switched', { ...change, seamless: isSeamless })
  }

  slateShown(): void {
    this.#slateMs = this.#ports.clock.monotonicMs()
    this.#record('channel.slate-started', {})
  }

  slateEnded(): void {
    const shownForMs = Math.round(this.#ports.clock.monotonicMs() - this.#slateMs)
    this.#record('channel.slate-ended', { shownForMs })
  }

  slateFailed(error: unknown): void {
    this.#record('channel.slate-failed', { detail: messageOf(error).slice(0, LONGEST_DETAIL) })
  }

  inputLost(reason: string): void {
    this.#lostMs = this.#ports.clock.monotonicMs()
    this.#record('channel.input-lost', { input: this.#lastInput, reason })
  }

  /** Media comes; only that it comes again is news. */
  inputReturned(): void {
    if (this.#lostMs === undefined) return
    const awayForMs = Math.round(this.#ports.clock.monotonicMs() - this.#lostMs)
    this.#lostMs = undefined
    this.#record('channel.input-returned', { input: this.#lastInput, awayForMs })
  }

  markerChanged({ source, change, marker }: MarkerChange): void {
    const { id, kind, wallMs, plannedTicks, durationTicks } = marker
    if (kind !== 'ad-break' && kind !== 'splice' && kind !== 'program-boundary') return
    const inMs = (ticks: number) => Math.round(ticks / TICKS_PER_MS)
    this.#record('channel.ad-marker-changed', {
      markerId: id,
      kind,
      change,
      source,
      at: formatTimestamp(Math.round(wallMs)),
      ...(plannedTicks !== undefined && { plannedMs: inMs(plannedTicks) }),
      ...(durationTicks !== undefined && { durationMs: inMs(durationTicks) }),
    })
  }

  transcoderRestarted(reason: string, restarts: number): void {
    this.#record('channel.transcoder-restarted', { reason, restarts })
  }

  stop(): void {
    this.#timer.cancel()
  }

  #monitorOf(layer: string): InputMonitor | undefined {
    const active = this.#active.get(layer)
    for (const { session, monitor } of this.#watched.values()) {
      if (session.layer === layer && (active === undefined || session.input === active)) return monitor
    }
    return undefined
  }

  #look(): void {
    const nowMs = this.#ports.clock.monotonicMs()
    for (const watched of this.#watched.values()) {
      watched.monitor.look()
      const { heartbeatMs } = this.#ports
      if (nowMs - watched.beatMs < heartbeatMs) continue
      // Looks come a little late; counted from when it was due, the beat keeps its period.
      watched.beatMs = nowMs - ((nowMs - watched.beatMs) % heartbeatMs)
      this.#record('channel.ingest-heartbeat', { ...watched.session, ...watched.monitor.figures() })
    }
    this.#tellHealth()
    this.#tellIdle(nowMs)
  }

  #tellHealth(): void {
    const { health } = this
    const codes = health?.reasons.map(({ code }) => code).join() ?? ''
    if (!health || codes === this.#toldHealth) return
    this.#toldHealth = codes
    this.#record('channel.health-changed', health)
  }

  #tellIdle(nowMs: number): void {
    const { idleStopAfter } = this.#channel()
    if (idleStopAfter === undefined || this.#watched.size > 0) return
    const afterMs = durationMs(idleStopAfter)
    if (nowMs - this.#idleSinceMs < afterMs) return
    this.#idleSinceMs = nowMs - afterMs + IDLE_AGAIN_MS
    this.#ports.onIdle()
  }

  #record<T extends EventType>(type: T, data: EventData<T>): void {
    const event: NewEvent<T> = newEvent(type, this.#channel(), data, this.#ports.clock.now())
    this.#ports.events.record(event as NewEvent)
  }
}
