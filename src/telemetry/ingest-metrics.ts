import type { Families } from './families.ts'
import { LabelLimit } from './label-limit.ts'

/** The listener that a connection came by. */
export type IngestProtocol = 'rtmp' | 'rtmps'

/** Why a connection or a publish was turned away. */
export type RefusalReason =
  | 'address-not-allowed'
  | 'busy'
  | 'connections'
  | 'connections-per-address'
  | 'invalid-name'
  | 'not-running'
  | 'unavailable'
  | 'unknown-key'

/** Which rule of the protocol, or which limit, a peer broke. */
export type OffenceKind =
  | 'aggregate'
  | 'chunk'
  | 'chunk-streams'
  | 'command'
  | 'control'
  | 'data'
  | 'handshake'
  | 'handshake-timeout'
  | 'media'
  | 'message-size'
  | 'partial-bytes'
  | 'publish-timeout'
  | 'stray-media'
  | 'too-many-offences'
  | 'unsent-bytes'

/** How a publishing session ended. */
export type SessionEndReason =
  | 'disconnected'
  | 'idle'
  | 'limit'
  | 'protocol-error'
  | 'replaced'
  | 'stopped'
  | 'unpublished'

/** Why a frame that arrived found no place in the presentation. */
export type IngestDropReason = 'behind' | 'late' | 'no-key-frame' | 'not-configured' | 'overlap' | 'straggler'

/** Which of a channel's inputs. */
export type IngestInputName = 'primary' | 'secondary'

/** Why the other input was gone over to. */
export type InputSwitchReason = 'ended' | 'late' | 'no-key-frames' | 'no-sound' | 'preferred' | 'silent'

/** What a publishing session has seen since its last report; meant to be given about once a second. */
export type SessionReport = {
  /** Received since the last report. */
  readonly receivedBytes: number
  /** How much time that is. */
  readonly elapsedMs: number
  readonly videoFrames: number
  /** The last complete distance between two key frames. */
  readonly gopLengthMs?: number
  /** Audio minus video, in stream time: positive where audio is ahead. */
  readonly audioVideoDriftMs?: number
  /** Stream time minus wall clock since the stream was anchored: positive where the encoder's clock runs fast. */
  readonly clockDriftMs?: number
}

const LAYERS_PER_CHANNEL = 16

/** What comes in: connections, refusals, and the health of each contribution. */
export class IngestMetrics {
  readonly #layers = new LabelLimit(LAYERS_PER_CHANNEL)
  readonly #connections
  readonly #connectionsTotal
  readonly #refused
  readonly #offences
  readonly #sessions
  readonly #sessionsTotal
  readonly #reconnects
  readonly #receivedBytes
  readonly #socketBytes
  readonly #sessionsEnded
  readonly #clockDrift
  readonly #bitrate
  readonly #frameRate
  readonly #gopLength
  readonly #drift
  readonly #dropped
  readonly #active
  readonly #switches

  constructor(families: Families) {
    const perLayer = ['channel', 'layer'] as const
    this.#connections = families.gauge({
      name: 'ingest_connections',
      help: 'Contribution connections that are open, publishing or not.',
      labels: ['protocol'],
    })
    this.#connectionsTotal = families.counter({
      name: 'ingest_connections_total',
      help: 'Contribution connections accepted by the listener, including those refused later.',
      labels: ['protocol'],
    })
    this.#refused = families.counter({
      name: 'ingest_refused_connections_total',
      help: 'Contribution connections and publishes that were turned away, by reason.',
      labels: ['reason'],
    })
    this.#offences = families.counter({
      name: 'ingest_offences_total',
      help: 'Breaches of the contribution protocol or of a limit, by kind.',
      labels: ['kind'],
    })
    this.#sessions = families.gauge({
      name: 'ingest_sessions',
      help: 'Encoders that are publishing to the channel now, one for each layer and input.',
      labels: ['channel'],
    })
    this.#sessionsTotal = families.counter({
      name: 'ingest_sessions_total',
      help: 'Publishing sessions begun on the channel.',
      labels: ['channel'],
    })
    this.#reconnects = families.counter({
      name: 'ingest_reconnects_total',
      help: 'Sessions that continued a presentation whose encoder had been away.',
      labels: ['channel'],
    })
    this.#receivedBytes = families.counter({
      name: 'ingest_received_bytes_total',
      help: 'Media bytes received from the encoder.',
      labels: perLayer,
    })
    this.#socketBytes = families.counter({
      name: 'ingest_socket_bytes_total',
      help: 'Bytes read from contribution connections, protocol overhead and refused peers included.',
      labels: ['protocol'],
    })
    this.#sessionsEnded = families.counter({
      name: 'ingest_sessions_ended_total',
      help: 'Publishing sessions that ended, by reason: "idle" and "disconnected" are the ones to look into.',
      labels: ['reason'],
    })
    this.#clockDrift = families.gauge({
      name: 'ingest_clock_drift_seconds',
      help: 'How far stream time has run ahead of the wall clock since the encoder connected; negative where it lags.',
      labels: perLayer,
    })
    this.#bitrate = families.gauge({
      name: 'ingest_bitrate_bytes_per_second',
      help: 'Rate at which the encoder sends, measured over the last report (about a second). Multiply by 8 for bits.',
      labels: perLayer,
    })
    this.#frameRate = families.gauge({
      name: 'ingest_video_frames_per_second',
      help: 'Video frames received per second of wall clock, measured over the last report (about a second).',
      labels: perLayer,
    })
    this.#gopLength = families.gauge({
      name: 'ingest_gop_length_seconds',
      help: 'Distance between the last two key frames of the contribution, in stream time.',
      labels: perLayer,
    })
    this.#drift = families.gauge({
      name: 'ingest_audio_video_drift_seconds',
      help: 'Newest audio timestamp minus newest video timestamp of the contribution; positive where audio is ahead.',
      labels: perLayer,
    })
    this.#dropped = families.counter({
      name: 'ingest_dropped_frames_total',
      help: 'Frames that arrived and found no place in the presentation, by reason.',
      labels: [...perLayer, 'reason'],
    })
    this.#active = families.gauge({
      name: 'ingest_active_input',
      help: '1 for the input that viewers see, 0 for one that stands by; an input that nobody publishes by has no series.',
      labels: [...perLayer, 'input'],
    })
    this.#switches = families.counter({
      name: 'ingest_switches_total',
      help: 'Changes to the other input, by what was wrong with the one before ("preferred": the primary is well again).',
      labels: ['channel', 'reason', 'seamless'],
    })
  }

  connectionOpened(protocol: IngestProtocol): void {
    this.#connections.inc({ protocol })
    this.#connectionsTotal.inc({ protocol })
  }

  /** Once for each `connectionOpened`. */
  connectionClosed(protocol: IngestProtocol): void {
    this.#connections.dec({ protocol })
  }

  /** Bytes read from a socket. */
  socketRead(protocol: IngestProtocol, bytes: number): void {
    this.#socketBytes.inc({ protocol }, bytes)
  }

  sessionClosed(reason: SessionEndReason): void {
    this.#sessionsEnded.inc({ reason })
  }

  connectionRefused(reason: RefusalReason): void {
    this.#refused.inc({ reason })
  }

  offence(kind: OffenceKind): void {
    this.#offences.inc({ kind })
  }

  /** `reconnected`: the session continues a presentation within the grace. */
  sessionStarted(channel: string, reconnected: boolean): void {
    this.#sessions.inc({ channel })
    this.#sessionsTotal.inc({ channel })
    this.#reconnects.inc({ channel }, reconnected ? 1 : 0)
  }

  /** Once for each `sessionStarted`. The layer's momentary figures disappear, its totals stay. */
  sessionEnded(channel: string, layer: string): void {
    this.#sessions.dec({ channel })
    const series = [channel, this.#layers.admit(channel, layer)]
    for (const gauge of [this.#bitrate, this.#frameRate, this.#gopLength, this.#drift, this.#clockDrift])
      gauge.remove(...series)
  }

  report(channel: string, layerName: string, report: SessionReport): void {
    const series = { channel, layer: this.#layers.admit(channel, layerName) }
    this.#receivedBytes.inc(series, report.receivedBytes)
    if (report.elapsedMs > 0) {
      this.#bitrate.set(series, (report.receivedBytes * 1000) / report.elapsedMs)
      this.#frameRate.set(series, (report.videoFrames * 1000) / report.elapsedMs)
    }
    if (report.clockDriftMs !== undefined) this.#clockDrift.set(series, report.clockDriftMs / 1000)
    if (report.gopLengthMs !== undefined) this.#gopLength.set(series, report.gopLengthMs / 1000)
    if (report.audioVideoDriftMs !== undefined) this.#drift.set(series, report.audioVideoDriftMs / 1000)
  }

  framesDropped(channel: string, layer: string, reason: IngestDropReason, count: number): void {
    this.#dropped.inc({ channel, layer: this.#layers.admit(channel, layer), reason }, count)
  }

  /** Which input feeds the layer, and which is ready to. */
  inputs(
    channel: string,
    layerName: string,
    active: IngestInputName | undefined,
    standby: IngestInputName | undefined,
  ): void {
    const layer = this.#layers.admit(channel, layerName)
    for (const input of ['primary', 'secondary'] as const) {
      if (input === active || input === standby) this.#active.set({ channel, layer, input }, input === active ? 1 : 0)
      else this.#active.remove(channel, layer, input)
    }
  }

  /** `seamless`: without a discontinuity. */
  inputSwitched(channel: string, reason: InputSwitchReason, seamless: boolean): void {
    this.#switches.inc({ channel, reason, seamless: String(seamless) })
  }

  forgetChannel(channel: string): void {
    this.#layers.forget(channel)
  }
}
