import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../lib/errors.ts'
import { ApiClient, ApiError } from './api-client.ts'
import { channelCommands } from './channel-commands.ts'
import { argumentsOf, type Command, type OptionSpec, wordsOf } from './command.ts'
import { type ConnectionOptions, connectionOf } from './connection.ts'
import { eventCommands } from './events-command.ts'
import { programCommands } from './program-commands.ts'

/** Every command there is, in the order of the help. */
export const commands: readonly Command[] = [...channelCommands, ...programCommands, ...eventCommands]

const COMMON: Readonly<Record<string, OptionSpec>> = {
  url: { type: 'string', value: 'URL', help: 'where the control listener is, else HEADEND_URL, else what runs here' },
  key: { type: 'string', value: 'KEY', help: 'an API key, better given as HEADEND_API_KEY' },
  account: { type: 'string', value: 'ACCOUNT', help: 'name or id, for a system key; else HEADEND_ACCOUNT' },
  'data-dir': { type: 'string', value: 'FOLDER', help: 'of a Headend that runs on this machine (./data)' },
  json: { type: 'boolean', help: 'print JSON' },
  help: { type: 'boolean', help: 'explain' },
}

/** Where a run writes, and what it is in. */
export type Terminal = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted when the person at the terminal has had enough. */
  readonly signal: AbortSignal
}

/** Exit codes: done, refused or failed, called wrongly. */
type ExitCode = 0 | 1 | 2

class UsageError extends Error {}

function optionLines(options: Readonly<Record<string, OptionSpec>>): string {
  const left = Object.entries(options).map(([name, { value }]) => `--${name}${value ? ` ${value}` : ''}`)
  const width = Math.max(...left.map((text) => text.length))
  return Object.values(options)
    .map(({ help }, index) => `  ${(left[index] ?? '').padEnd(width)}  ${help}`)
    .join('\n')
}

function helpOf(command: Command): string {
  const own = command.options ? `\n\n${optionLines(command.options)}` : ''
  return `headend ${command.usage}\n\n  ${command.help}${own}\n\nEverywhere:\n${optionLines(COMMON)}`
}

function overview(): string {
  const width = Math.max(...commands.map(({ usage }) => usage.length))
  const lines = commands.map(({ usage, help }) => `  ${usage.padEnd(width)}  ${help}`)
  return `Headend from the command line.\n\n${lines.join('\n')}\n\nEverywhere:\n${optionLines(COMMON)}\n\nMore of one: headend channel create --help`
}

function commandOf(words: readonly string[]): Command | undefined {
  return commands.find((command) => wordsOf(command).every((word, index) => words[index] === word))
}

/** The words before the first option: enough to know the command, and with it which options take a value. */
function leadingWords(argv: readonly string[]): string[] {
  const firstOption = argv.findIndex((word) => word.startsWith('-'))
  return argv.slice(0, firstOption === -1 ? argv.length : firstOption)
}

function parse(command: Command, argv: readonly string[]) {
  const specs = { ...COMMON, ...command.options }
  const options = Object.fromEntries(Object.entries(specs).map(([name, { type }]) => [name, { type }]))
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

async function execute(command: Command, argv: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parse(command, argv)
  if (values['help']) return terminal.out(helpOf(command))
  const args = positionals.slice(wordsOf(command).length)
  const wanted = argumentsOf(command)
  if (args.length !== wanted.length) throw new UsageError(`It is called so: headend ${command.usage}`)
  const api = new ApiClient(connectionOf(values as ConnectionOptions, terminal.env))
  const isJson = values['json'] === true
  const options = values as Readonly<Record<string, string | boolean | undefined>>
  const output = { write: terminal.out, signal: terminal.signal, isJson }
  const outcome = await command.run({ args, options }, api, output)
  if (outcome) terminal.out(isJson ? JSON.stringify(outcome.json, null, 2) : outcome.text)
}

/** Runs one command line, without `headend` itself; what went wrong is told in a sentence. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const words = leadingWords(argv)
  const command = commandOf(words)
  if (!command) {
    const isAsked = argv.length === 0 || words[0] === 'help' || argv[0] === '--help'
    if (isAsked) terminal.out(overview())
    else
      terminal.err(`There is no command “${argv.join(' ')}”; options come after the command's words.\n\n${overview()}`)
    return isAsked ? 0 : 2
  }
  try {
    await execute(command, argv, terminal)
    return 0
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`headend: ${error.message}\n\nMore: headend ${wordsOf(command).join(' ')} --help`)
      return 2
    }
    if (!(error instanceof ApiError || error instanceof AppError)) throw error
    terminal.err(`headend: ${error.message}`)
    return 1
  }
}
