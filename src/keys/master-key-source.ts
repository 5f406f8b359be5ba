import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import { KEY_BYTES } from '../protection/derived-key.ts'
import { commandOutput } from './command-output.ts'
import type { Environment, MasterKeySource } from './ports.ts'

const MAX_TEXT_BYTES = 4_096
const COMMAND_TIMEOUT_MS = 10_000

type SourcePorts = { readonly clock: Clock; readonly environment: Environment; readonly signal: AbortSignal }

/** Where it is, in words; of a command only the program, since its arguments may tell more than they should. */
function describe({ id, file, environment, command = [] }: MasterKeySource): string {
  const where = file ?? environment ?? command[0] ?? ''
  const kind = file !== undefined ? 'file' : environment !== undefined ? 'variable' : 'command'
  return `The master key ${id} (${kind} ${where})`
}

/** 32 bytes in hex or base64, with or without padding, also the URL-safe kind; `undefined` for anything else. */
function parseKey(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  const bytes = /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined
  return bytes?.byteLength === KEY_BYTES ? bytes : undefined
}

async function readText(path: string): Promise<string> {
  // A pipe or device in its place holds nobody up.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no file')
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_TEXT_BYTES), 0, MAX_TEXT_BYTES, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

function textOf({ file, environment, command = [] }: MasterKeySource, ports: SourcePorts): Promise<string> {
  if (file !== undefined) return readText(file)
  if (environment === undefined) {
    return commandOutput(command, { ...ports, timeoutMs: COMMAND_TIMEOUT_MS, maxBytes: MAX_TEXT_BYTES })
  }
  const text = ports.environment[environment]
  return text === undefined ? Promise.reject(new Error('it is not set')) : Promise.resolve(text)
}

/** A master key, 32 bytes. @throws AppError `MASTER_KEY_UNAVAILABLE`, which says where it was looked for */
export async function readMasterKey(source: MasterKeySource, ports: SourcePorts): Promise<Uint8Array> {
  let text: string
  try {
    text = (await textOf(source, ports)).trim()
  } catch (cause) {
    const message = `${describe(source)} can't be had: ${messageOf(cause)}.`
    throw new AppError('MASTER_KEY_UNAVAILABLE', message, { cause, details: { masterKeyId: source.id } })
  }
  const key = parseKey(text)
  if (key) return key
  const found = text === '' ? 'nothing is there' : `${text.length} characters of something else are there`
  throw new AppError(
    'MASTER_KEY_UNAVAILABLE',
    `${describe(source)} is none: 32 bytes in base64 or hex are wanted, and ${found}.`,
    { details: { masterKeyId: source.id } },
  )
}
