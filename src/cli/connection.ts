import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../lib/errors.ts'

/** Which Headend is spoken to, by whose key, and in which account. */
export type Connection = { readonly url: string; readonly apiKey: string; readonly account: string | undefined }

/** What the command line says of it. */
export type ConnectionOptions = {
  readonly url?: string | undefined
  readonly key?: string | undefined
  readonly account?: string | undefined
  readonly 'data-dir'?: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const HOW =
  'Give --url and --key, set HEADEND_URL and HEADEND_API_KEY, or name the data folder of a Headend that runs here with --data-dir.'

/**
 * The command line goes before the environment, the environment before what a Headend that runs on this machine has written
 * into its data folder.
 *
 * @throws AppError `CONFIG_INVALID` where nothing says where to go
 */
export function connectionOf(options: ConnectionOptions, env: Environment): Connection {
  const url = options.url ?? env['HEADEND_URL']
  const apiKey = options.key ?? env['HEADEND_API_KEY']
  const account = options.account ?? env['HEADEND_ACCOUNT']
  if (url !== undefined && apiKey !== undefined) return { url: withoutSlash(url), apiKey, account }
  const folder = options['data-dir'] ?? env['HEADEND__DATA_DIR'] ?? './data'
  const quickstart = readQuickstart(join(folder, 'quickstart.json'))
  // The key of the Headend that runs here is for nobody else.
  if (
    url !== undefined &&
    apiKey === undefined &&
    new URL(withoutSlash(url)).origin !== new URL(quickstart.controlUrl).origin
  ) {
    throw new AppError('CONFIG_INVALID', `Which key for ${url}? Give --key, or set HEADEND_API_KEY.`)
  }
  return { url: withoutSlash(url ?? quickstart.controlUrl), apiKey: apiKey ?? quickstart.apiKey, account }
}

function withoutSlash(url: string): string {
  if (URL.canParse(url)) return url.replace(/\/+$/, '')
  throw new AppError('CONFIG_INVALID', `${url} is no URL; one looks like http://localhost:8080.`)
}

function readQuickstart(file: string): { readonly controlUrl: string; readonly apiKey: string } {
  let found: unknown
  try {
    found = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `Which Headend? There is no readable ${file}. ${HOW}`, { cause })
  }
  const { controlUrl, apiKey } = found as Readonly<Record<string, unknown>>
  if (typeof controlUrl === 'string' && typeof apiKey === 'string') return { controlUrl, apiKey }
  throw new AppError('CONFIG_INVALID', `${file} names no control URL and key. ${HOW}`)
}
