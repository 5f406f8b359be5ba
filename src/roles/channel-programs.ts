import type { Recording } from '../archive/recording.ts'
import { Program as ProgramCut } from '../channel/program.ts'
import type { LogEntry } from '../channel/segment-assembly.ts'
import type { Channel } from '../domain/channel.ts'
import { durationMs } from '../domain/duration.ts'
import { newSecret, type RandomBytes } from '../domain/kinds.ts'
import type { Program } from '../domain/program.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { Marker } from '../presentation/markers.ts'
import type { PresentationHeader, Track } from '../presentation/records.ts'
import type { Recorded } from '../supervisor/ports.ts'
import type { PresentationShelf } from './presentation-shelf.ts'
import { programHeader, recordedOf } from './recorded.ts'

/** What a channel's programs need of the node. */
export type ChannelProgramsPorts = {
  readonly clock: Clock
  readonly shelf: PresentationShelf
  readonly random: RandomBytes
  readonly logger: Logger
}

/** How the channel cuts: the same for all its presentations. */
export type ChannelCut = Pick<PresentationHeader, 'targetDurationMs' | 'partDurationMs' | 'gridMs'> & {
  readonly segmentDurationMs: number
}

/** What the channel still holds of what came before now. */
export type ChannelPast = { entriesFrom(fromMs: number): Iterable<LogEntry>; readonly tracks: readonly Track[] }

type Running = {
  program: Program
  readonly cut: ProgramCut
  readonly recording: Recording
  readonly ended: PromiseWithResolvers<void>
}

const NOTHING: Recorded = { tracks: [], durationMs: 0 }
const EPOCH_BYTES = 6

/**
 * The programs of a running channel: each cuts a presentation of its own, whose id is its asset's, from the channel's
 * records, and records it. Its segments have numbers of their own, so that a program goes on where it was whatever happened meanwhile: when
 * its channel comes back, when the node does, and also when it is started again after it had ended.
 */
export class ChannelPrograms {
  readonly #channel: () => Channel
  readonly #cut: ChannelCut
  readonly #ports: ChannelProgramsPorts
  readonly #running = new Map<string, Running>()
  readonly #starting = new Map<string, Promise<void>>()
  #hasLeft = false

  /** `channel`: as it is now. */
  constructor(channel: () => Channel, cut: ChannelCut, ports: ChannelProgramsPorts) {
    this.#channel = channel
    this.#cut = cut
    this.#ports = ports
  }

  get logs(): readonly PresentationLog[] {
    const { shelf } = this.#ports
    return [...this.#running.values()].flatMap(({ program }) => shelf.find(program.assetId)?.log ?? [])
  }

  /** `past`: what came before, for a program whose start was before now. Once for each program. @throws AppError as `PresentationShelf.begin` */
  start(program: Program, past: ChannelPast): Promise<void> {
    if (this.#running.has(program.id)) return Promise.resolve()
    const under = this.#starting.get(program.id)
    if (under) return under
    const starting = this.#start(program, past).finally(() => this.#starting.delete(program.id))
    this.#starting.set(program.id, starting)
    return starting
  }

  async #start(program: Program, past: ChannelPast): Promise<void> {
    const { shelf, logger, random, clock } = this.#ports
    const { segmentDurationMs, ...cut } = this.#cut
    const header = programHeader(program, newSecret(EPOCH_BYTES, random), cut, clock.now())
    const recording = await shelf.begin(this.#owner(program), header, segmentDurationMs)
    if (this.#hasLeft) {
      shelf.leave(program.assetId)
      throw new AppError('STOPPED', 'The channel was stopped while the program started.')
    }
    const ended = Promise.withResolvers<void>()
    const { nextSequence = 0, discontinuitySequence, endTicks } = recording.rowsEnd ?? {}
    const programCut = new ProgramCut(recording, { nextSequence, discontinuitySequence, endTicks }, ended.resolve)
    this.#running.set(program.id, { program, cut: programCut, recording, ended })
    this.update(program)
    const fromMs = recording.rowsEnd === undefined && program.startAt ? Date.parse(program.startAt) : undefined
    if (fromMs !== undefined) for (const entry of past.entriesFrom(fromMs)) programCut.take(entry, past.tracks)
    logger.info({ program: program.name, asset: program.assetId, goesOn: nextSequence > 0 }, 'program started')
  }

  /** What may change while it runs is the name, and how far back viewers may rewind. */
  update(program: Program): void {
    const running = this.#running.get(program.id)
    if (!running) return
    running.program = program
    running.recording.rewindTo(durationMs(program.rewindWindow))
  }

  /** Resolves when the segment that is open is closed and the presentation has its end. Of one that doesn't run: what it left. */
  async stop(programId: string): Promise<Recorded> {
    const running = this.#running.get(programId)
    const { shelf, logger } = this.#ports
    if (!running) return this.#endLeft(programId)
    running.cut.stop()
    await running.ended.promise
    await running.recording.settled()
    const recorded = recordedOf(running.recording.log.view)
    const { name, assetId } = running.program
    // Somebody else may have waited for the same end; or it came with the channel's.
    if (!this.#running.delete(programId)) return recorded
    logger.info({ program: name, asset: assetId, durationMs: recorded.durationMs }, 'program ended')
    await shelf.end(assetId)
    return recorded
  }

  /** The node was restarted while the program was being stopped. */
  async #endLeft(programId: string): Promise<Recorded> {
    const { shelf } = this.#ports
    const left = [...shelf.all].find((found) => found.programId === programId && found.state === 'left')
    if (!left) return NOTHING
    await shelf.end(left.assetId)
    return recordedOf(left.log.view)
  }

  take(entry: LogEntry, tracks: readonly Track[]): void {
    for (const { cut, program } of this.#running.values()) {
      try {
        cut.take(entry, tracks)
      } catch (error) {
        const message = `a program could not take a record: ${messageOf(error)}`
        this.#ports.logger.error({ err: error, program: program.name }, message)
      }
    }
  }

  /** What went before the program began, and is not over: it is the program's too. */
  tell(programId: string, markers: readonly Marker[]): void {
    const running = this.#running.get(programId)
    const known = new Map(running?.recording.log.view.markers.map((marker) => [marker.id, marker]))
    for (const marker of markers) {
      const isNews = marker.revision > (known.get(marker.id)?.revision ?? -1)
      if (isNews) running?.cut.take({ record: { type: 'marker', ...marker } }, [])
    }
  }

  /** The channel goes away; its programs have not ended. */
  leave(): void {
    this.#hasLeft = true
    for (const { cut, program, ended } of this.#running.values()) {
      cut.detach()
      this.#ports.shelf.leave(program.assetId)
      // Who waits for its end has it now.
      ended.resolve()
    }
    this.#running.clear()
  }

  #owner({ id, assetId, manifestName }: Program): Parameters<PresentationShelf['begin']>[0] {
    const { id: channelId, accountId } = this.#channel()
    return { accountId, channelId, programId: id, assetId, manifestName }
  }
}
