import type { ApiClient, Json } from './api-client.ts'

/** An option of a command, for the parser and the help. */
export type OptionSpec = {
  readonly type: 'string' | 'boolean'
  /** What stands for the value in the help: `--rewind TIME`. */
  readonly value?: string
  readonly help: string
}

/** What a command was given. */
export type Given = {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | undefined>>
}

/** What a command found, for people and for programs. */
export type Outcome = { readonly text: string; readonly json: unknown }

/** Where a command that goes on for a while writes, and what ends it. */
export type Output = { readonly write: (line: string) => void; readonly signal: AbortSignal; readonly isJson: boolean }

/** A command, as the help lists it. */
export type Command = {
  /** `channel create NAME`: words, then the names of its arguments in capitals. */
  readonly usage: string
  readonly help: string
  readonly options?: Readonly<Record<string, OptionSpec>>
  run(given: Given, api: ApiClient, output: Output): Promise<Outcome | undefined>
}

/** The words by which a command is called. */
export function wordsOf(command: Command): string[] {
  return command.usage.split(' ').filter((word) => word === word.toLowerCase())
}

/** The arguments that it must be given. */
export function argumentsOf(command: Command): string[] {
  return command.usage.split(' ').filter((word) => word !== word.toLowerCase())
}

/** A field of an answer as text; nothing where it is absent. */
export function text(json: Json, field: string): string {
  const value = json[field]
  return value === undefined || value === null ? '' : String(value)
}
