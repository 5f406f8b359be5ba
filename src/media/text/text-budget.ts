import { FormatError } from '../../lib/errors.ts'
import { TEXT_LIMITS } from './text-document.ts'

/** Bounds what is made of a source, which may say much in few bytes: characters that are copied, and work that is worth as much. */
export class TextBudget {
  readonly #path: string
  #left: number

  constructor(path: string, characters: number = TEXT_LIMITS.madeCharacters) {
    this.#path = path
    this.#left = characters
  }

  /** Nothing more can be made. */
  get isSpent(): boolean {
    return this.#left < 0
  }

  /** @throws FormatError where there is no more */
  spend(characters: number): void {
    this.#left -= characters
    if (this.isSpent) throw new FormatError(this.#path, 0, 'styles or times make far more of it than it holds')
  }
}
