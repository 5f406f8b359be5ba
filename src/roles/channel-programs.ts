import { Program as ProgramCut } from '../channel/program.ts'
import type { SegmenterNumbers } from '../channel/record-writer.ts'
import type { LogEntry } from '../channel/segment-assembly.ts'
import type { Channel } from '../domain/channel.ts'
import { durationMs } from '../domain/duration.ts'
import type { Program } from '../domain/program.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { PresentationLog } from '../log/presentation-log.ts'
import type { LogRecord, PresentationHeader, Track } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { Recorded } from '../supervisor/ports.ts'
import type { ChannelNumbers } from './channel-numbers.ts'
import type { PresentationOwner, PresentationShelf } from './presentation-shelf.ts'
import { programHeader, recordedOf } from './recorded.ts'

/** What a channel's programs need of the node. */
export type ChannelProgramsPorts = {
  readonly shelf: PresentationShelf
  readonly numbers: ChannelNumbers
  readonly logger: Logger
}

/** How the channel cuts: the same for all its presentations. */
type ChannelCut = Pick<PresentationHeader, 'targetDurationMs' | 'partDurationMs'>

type Running = {
  program: Program
  readonly cut: ProgramCut
  readonly log: PresentationLog
  readonly ended: PromiseWithResolvers<void>
}

const NOTHING: Recorded = { tracks: [], durationMs: 0 }

/**
 * The programs of a running channel: each cuts a presentation of its own, whose id is its asset's, from the channel's
 * records. A program that had not ended when its channel went away goes on in the same presentation where that is still
 * there and nothing was numbered in between. One that is started again after it ended begins a new presentation under the
 * same locators, because a player that has seen the end would never look again.
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
    return [...this.#running.values()].map(({ log }) => log)
  }

  /** `next`: the numbers of what the channel writes next. Once for each program. @throws AppError `IN_USE`, `STATE_UNWRITABLE` */
  start(program: Program, next: SegmenterNumbers): Promise<void> {
    if (this.#running.has(program.id)) return Promise.resolve()
    const under = this.#starting.get(program.id)
    if (under) return under
    const starting = this.#start(program, next).finally(() => this.#starting.delete(program.id))
    this.#starting.set(program.id, starting)
    return starting
  }

  async #start(program: Program, next: SegmenterNumbers): Promise<void> {
    const { shelf } = this.#ports
    shelf.assertFree(program.assetId)
    const left = this.#resume(program, next)
    const epoch = left ? left.view.header.epoch : await this.#epoch(program)
    if (this.#hasLeft) throw new AppError('STOPPED', 'The channel was stopped while the program started.')
    const log = left ?? shelf.open(programHeader(program, epoch, this.#cut), this.#owner(program))
    const ended = Promise.withResolvers<void>()
    const goesOn = left !== undefined && left.view.endSequence > left.view.firstSequence
    const append = (record: LogRecord, bytes?: Uint8Array) => void log.append(record, bytes)
    const cut = new ProgramCut({ append }, { goesOn }, ended.resolve)
    this.#running.set(program.id, { program, cut, log, ended })
    this.update(program)
    this.#ports.logger.info({ program: program.name, asset: program.assetId, goesOn }, 'program started')
  }

  /** What may change while it runs is the name, and how far back viewers may rewind. */
  update(program: Program): void {
    const running = this.#running.get(program.id)
    if (!running) return
    running.program = program
    const rewindWindowMs = durationMs(program.rewindWindow)
    const { view } = running.log
    if (view.ended || view.header.rewindWindowMs === rewindWindowMs) return
    running.log.append({ type: 'rewind-changed', rewindWindowMs })
  }

  /** Resolves when the segment that is open is closed and the presentation has its end. Of one that doesn't run: nothing. */
  async stop(programId: string): Promise<Recorded> {
    const running = this.#running.get(programId)
    if (!running) return NOTHING
    running.cut.stop()
    await running.ended.promise
    const recorded = recordedOf(running.log.view)
    const { name, assetId } = running.program
    // Somebody else may have waited for the same end; or it came with the channel's.
    if (!this.#running.delete(programId) && !this.#hasLeft) return recorded
    this.#ports.logger.info({ program: name, asset: assetId, durationMs: recorded.durationMs }, 'program ended')
    this.#ports.shelf.end(assetId)
    try {
      await this.#ports.numbers.end(assetId)
    } catch (error) {
      // It would go on under the old URLs, with numbers of its own: nobody is misled.
      this.#ports.logger.warn({ err: error, program: name }, 'the end of a program could not be set down')
    }
    return recorded
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

  #resume(program: Program, next: SegmenterNumbers): PresentationLog | undefined {
    const { shelf } = this.#ports
    const found = shelf.find(program.assetId)
    if (found?.state !== 'left' || found.channelId !== program.channelId) return undefined
    if (!follows(found.log.view, next, this.#cut)) return undefined
    shelf.resume(program.assetId, this.#owner(program))
    return found.log
  }

  /** After a restart of the node the URLs are those of before; what takes the place of something else has others. */
  #epoch({ assetId }: Program): Promise<string> | string {
    const { numbers, shelf } = this.#ports
    const known = shelf.find(assetId) ? undefined : numbers.epochOf(assetId)
    return known ?? numbers.begin(assetId)
  }

  #owner({ manifestName }: Program): PresentationOwner {
    const { id, accountId } = this.#channel()
    return { accountId, channelId: id, manifestName }
  }
}

/** Whether what the channel writes next stands right behind what the presentation has. */
function follows(view: PresentationView, next: SegmenterNumbers, cut: ChannelCut): boolean {
  const { header, firstSequence, endSequence, ended } = view
  const isAlike = header.targetDurationMs === cut.targetDurationMs && header.partDurationMs === cut.partDurationMs
  if (ended || !isAlike) return false
  const last = view.segment(endSequence - 1)
  if (firstSequence === endSequence || !last) return firstSequence === endSequence
  return endSequence === next.nextSequence && last.discontinuitySequence === next.discontinuitySequence
}
