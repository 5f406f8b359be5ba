/** Where a master key is found: exactly one of the three is there. */
export type MasterKeySource = {
  /** What sealed values name it by. */
  readonly id: string
  readonly file?: string | undefined
  /** The name of a variable of the environment. */
  readonly environment?: string | undefined
  /** A program with its arguments, which prints the key. No shell sees it. */
  readonly command?: readonly string[] | undefined
}

/** The variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>
