import type { Transcoder, TranscoderOutput } from '../channel/ports.ts'
import type { Config } from '../config/schema.ts'
import { type Channel, channelDurations } from '../domain/channel.ts'
import type { InputHealth, InputStatus } from '../domain/input-health.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { ChannelIndex, ChannelRunner } from '../supervisor/ports.ts'
import type { FfmpegBinary } from '../transcode/ffmpeg-probe.ts'
import type { ChannelAdMarkers } from './ad-markers.ts'
import { ChannelLabels } from './channel-labels.ts'
import { ChannelNumbers, numbersFile } from './channel-numbers.ts'
import type { DataDir } from './data-dir.ts'
import { LiveChannel, type LiveChannelPorts } from './live-channel.ts'
import { namedLogger } from './named-logger.ts'
import { PublishKeys } from './publish-keys.ts'
import { type SlateImages, slateMaker } from './slates.ts'

/** What the channels of this node are wired to. */
export type LocalChannelsPorts = LiveChannelPorts & {
  readonly dataDir: DataDir
  /** @throws AppError `FFMPEG_MISSING`, `FFMPEG_TOO_OLD` */
  readonly ffmpeg: () => Promise<FfmpegBinary>
  readonly transcode: Config['transcode']
  /** The ladder that is cut down to what the machine's cores carry. */
  readonly sizedPreset: string | undefined
  readonly slateImage: SlateImages
}

type TranscoderMaker = (output: TranscoderOutput, restarted: (reason: string) => void) => Transcoder

/** The channels of the store as far as this node knows them: all their keys, and those that run here. */
export class LocalChannels implements ChannelRunner, ChannelIndex, Stoppable {
  readonly keys = new PublishKeys()
  readonly #ports: LocalChannelsPorts
  readonly #labels = new ChannelLabels()
  /** `undefined` while it starts. */
  readonly #running = new Map<string, LiveChannel | undefined>()

  constructor(ports: LocalChannelsPorts) {
    this.#ports = ports
  }

  /** What each running channel writes, under its name in metrics. */
  get reports(): Iterable<{ readonly name: string; readonly logs: readonly PresentationLog[] }> {
    return [...this.#running.values()].filter((channel) => channel !== undefined)
  }

  find(channelId: string): LiveChannel | undefined {
    return this.#running.get(channelId)
  }

  /** Of what is being published to a channel that runs here; `undefined` where nothing is. */
  health(channelId: string): InputHealth | undefined {
    return this.#running.get(channelId)?.health
  }

  /** The ad markers of a channel that runs here. */
  adMarkers(channelId: string): ChannelAdMarkers | undefined {
    return this.#running.get(channelId)?.adMarkers
  }

  /** The inputs by which somebody publishes to a channel that runs here. */
  inputs(channelId: string): readonly InputStatus[] {
    return this.#running.get(channelId)?.inputs ?? []
  }

  /**
   * `_onFailed` is never called: what may die in a running channel, its ffmpeg, is replaced there.
   * @throws AppError `FFMPEG_MISSING`, `FFMPEG_TOO_OLD`, `LADDER_INVALID`, `STATE_UNWRITABLE`, `STATE_CONFLICT` where it runs
   */
  async start(
    channel: Channel,
    _onFailed: (error: unknown) => void,
    onIdle: () => void,
    signal: AbortSignal,
  ): Promise<LiveChannel> {
    if (this.#running.has(channel.id)) {
      throw new AppError('STATE_CONFLICT', `The channel ${channel.name} runs on this node already.`)
    }
    this.#running.set(channel.id, undefined)
    try {
      const live = await this.#open(channel, onIdle, signal)
      this.#running.set(channel.id, live)
      this.#ports.logger.info({ channel: channel.name, channelId: channel.id }, 'channel started')
      return live
    } catch (error) {
      this.#running.delete(channel.id)
      this.#forgetLabel(channel.id)
      throw error
    }
  }

  put(channel: Channel): void {
    this.keys.put(channel)
    if (channel.state === 'Stopped' && channel.desiredState === 'Stopped') this.#ports.shelf.endLeft(channel.id)
  }

  remove(channelId: string): void {
    this.keys.remove(channelId)
    this.#ports.shelf.endLeft(channelId)
    this.#ports.dataDir.remove(numbersFile(channelId)).catch((error: unknown) => {
      this.#ports.logger.warn(
        { channelId, error: messageOf(error) },
        'the numbers of a deleted channel are left behind',
      )
    })
  }

  async stop(): Promise<void> {
    const channels = [...this.#running.values()].filter((channel) => channel !== undefined)
    const ends = await Promise.allSettled(channels.map((channel) => channel.stop()))
    const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    if (failures.length > 0) throw new AggregateError(failures, 'not every channel stopped')
  }

  async #open(channel: Channel, onIdle: () => void, signal: AbortSignal): Promise<LiveChannel> {
    const transcoder = channel.encoding.kind === 'standard' ? await this.#transcoder(channel) : undefined
    signal.throwIfAborted()
    const numbers = new ChannelNumbers(channel.id, {
      ...this.#ports,
      floorTicks: () => this.#ports.shelf.endTicks(channel.id),
    })
    this.#labels.take(channel.id, channel.name)
    return new LiveChannel(
      channel,
      {
        numbers,
        label: () => this.#labels.of(channel.id),
        named: (renamed) => this.#labels.take(renamed.id, renamed.name),
        onIdle,
        onStopped: () => this.#stopped(channel.id),
        slate: (current) => slateMaker(current, this.#ports),
        ...(transcoder && { transcoder }),
      },
      this.#ports,
    )
  }

  async #transcoder(channel: Channel): Promise<TranscoderMaker> {
    const { ffmpeg, sizedPreset, clock, metrics, transcode } = this.#ports
    const { preset } = channel.encoding
    const binary = await ffmpeg()
    // A node that passes everything through has no use for it.
    const { channelLadder, transcoderFactory } = await import('./transcoders.ts')
    const ladder = await channelLadder(preset, transcode.ladderDir, binary, preset === sizedPreset)
    const { segmentDurationMs } = channelDurations(channel)
    const label = () => this.#labels.of(channel.id)
    const deps = {
      clock,
      logger: namedLogger(this.#ports.logger, label),
      metrics: metrics.transcoder,
      ffmpeg: binary,
      config: transcode,
    }
    return (output, restarted) => transcoderFactory({ label, segmentDurationMs, restarted }, ladder, deps)(output)
  }

  #stopped(channelId: string): void {
    this.#ports.logger.info({ channel: this.#labels.of(channelId), channelId }, 'channel stopped')
    this.#running.delete(channelId)
    this.#forgetLabel(channelId)
  }

  /** What doesn't run has no series: ages and rates of it would go on for ever. */
  #forgetLabel(channelId: string): void {
    const label = this.#labels.drop(channelId)
    if (label === undefined) return
    this.#ports.metrics.forgetChannel(label).catch((error: unknown) => {
      this.#ports.logger.warn({ err: error, channel: label }, 'the metrics of a channel are left behind')
    })
  }
}
