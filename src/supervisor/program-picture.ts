import type { Channel } from '../domain/channel.ts'
import { dueOperation, type Program } from '../domain/program.ts'
import type { Ledger } from './ledger.ts'
import { untilScheduled } from './schedule.ts'

const PAGE = 100

/**
 * The programs of one channel that have to be minded: all but those that are Stopped and stay so. What has changed is read
 * again before the next step; the finished programs of years are read once, when the channel is first taken up.
 */
export class ProgramPicture {
  readonly #channelId: string
  readonly #ledger: Ledger
  readonly #owners: Map<string, string>
  readonly #programs = new Map<string, Program>()
  readonly #changed = new Set<string>()
  #isComplete = false

  /** `owners`: which program belongs to which channel, of all programs that are minded; kept up to date here. */
  constructor(channelId: string, ledger: Ledger, owners: Map<string, string>) {
    this.#channelId = channelId
    this.#ledger = ledger
    this.#owners = owners
  }

  get programs(): readonly Program[] {
    return [...this.#programs.values()]
  }

  /** The program was written, by whomever. */
  changed(programId: string): void {
    this.#changed.add(programId)
    this.#owners.set(programId, this.#channelId)
  }

  /** Everything may have changed. */
  forget(): void {
    this.#isComplete = false
  }

  /** The channel is gone, and so are its programs. */
  clear(): void {
    for (const id of [...this.#programs.keys(), ...this.#changed]) this.#owners.delete(id)
    this.#programs.clear()
    this.#changed.clear()
  }

  /** Reads what is not known any more. @throws AppError as the store */
  async refresh(channel: Pick<Channel, 'state' | 'accountId'>, nowMs: number): Promise<void> {
    // Of a Stopped channel only programs matter that somebody has just moved, and those are told of one by one.
    if (!this.#isComplete && channel.state !== 'Stopped') {
      for (const id of this.#programs.keys()) this.#changed.add(id)
      for await (const page of this.pages(channel.accountId)) for (const program of page) this.#keep(program, nowMs)
      this.#isComplete = true
    }
    for (const id of [...this.#changed]) {
      // Before the reading: what is written during it is read once more.
      this.#changed.delete(id)
      try {
        const program = await this.#ledger.find('program', id)
        if (program) this.#keep(program, nowMs)
        else this.#drop(id)
      } catch (error) {
        this.#changed.add(id)
        throw error
      }
    }
  }

  /** Every program of the channel, minded or not. */
  pages(accountId: string): AsyncGenerator<readonly Program[]> {
    const reference = { relation: 'channel', id: this.#channelId }
    return this.#ledger.pages('program', { accountId, reference, limit: PAGE })
  }

  #keep(program: Program, nowMs: number): void {
    const isMinded =
      program.state !== 'Stopped' ||
      program.desiredState === 'Running' ||
      dueOperation(program, nowMs) !== undefined ||
      untilScheduled(program, nowMs) !== undefined
    if (!isMinded) this.#drop(program.id)
    else {
      this.#programs.set(program.id, program)
      this.#owners.set(program.id, this.#channelId)
    }
  }

  #drop(programId: string): void {
    this.#programs.delete(programId)
    this.#owners.delete(programId)
  }
}
