import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { decodeMark, encodeMark, MARK_BYTES } from './mark.ts'
import type { SpoolFile, SpoolFolder } from './spool/spool-folder.ts'

const NAME = 'numbers.mark'
/** Set aside at a time: minutes of segments. */
const RESERVED = 256

/**
 * How far the numbers of segments may have been used while the disk took nothing. It is eight bytes that are there from the start
 * and are written over in place, which a full disk allows: so whoever comes after a crash gives none of them again.
 */
export class NumberMark {
  readonly #file: SpoolFile
  readonly #logger: Logger
  #until = 0
  #writing: Promise<void> = Promise.resolve()

  private constructor(file: SpoolFile, logger: Logger) {
    this.#file = file
    this.#logger = logger
  }

  /** The mark of a recording, made where there is none. @throws what the disk throws */
  static async open(folder: SpoolFolder, logger: Logger): Promise<NumberMark> {
    const names = await folder.list()
    if (!names.includes(NAME)) await folder.put(NAME, encodeMark(0))
    return new NumberMark(await folder.open(NAME), logger)
  }

  /** The first number that can't have been used; 0: the journal knows them all, or nothing tells. */
  async read(): Promise<number> {
    return decodeMark(await this.#file.read(0, MARK_BYTES))
  }

  /** Numbers up to before `nextSequence` are used, and the disk takes nothing. */
  used(nextSequence: number): void {
    if (nextSequence > this.#until - RESERVED / 2) this.#write(nextSequence + RESERVED)
  }

  /** The journal knows them all again. */
  clear(): void {
    if (this.#until > 0) this.#write(0)
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#file.close()
  }

  #write(until: number): void {
    this.#until = until
    this.#writing = this.#writing
      .then(() => this.#file.write([encodeMark(until)], 0))
      .then(() => this.#file.sync())
      .catch((error: unknown) => {
        this.#logger.error({ error: messageOf(error) }, 'the numbers of a recording can not be set aside')
      })
  }
}
