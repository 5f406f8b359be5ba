import { readFileSync } from 'node:fs'
import { parse as parseYaml } from 'yaml'
import type { z } from 'zod'
import { AppError, messageOf } from '../lib/errors.ts'
import { type EnvironmentKey, readEnvironment } from './environment.ts'
import { type Config, configSchema } from './schema.ts'

type Tree = { [key: string]: unknown }

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readFile(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AppError('CONFIG_UNREADABLE', `${file} can't be read: ${messageOf(cause)}`, { cause })
  }
  try {
    return parseYaml(text) ?? {}
  } catch (cause) {
    throw new AppError('CONFIG_UNREADABLE', `${file} is not YAML: ${messageOf(cause)}`, { cause })
  }
}

/** The value that a text spells; the text itself where it spells none. */
function spelled(text: string): unknown {
  try {
    return parseYaml(text)
  } catch {
    // The schema's own complaint about the text is the clearer one.
    return text
  }
}

/** Whether a longer variable sets something inside what this one sets. */
function isAbove(key: EnvironmentKey, keys: readonly EnvironmentKey[]): boolean {
  return keys.some(({ path }) => path.length > key.path.length && key.path.every((part, index) => part === path[index]))
}

/** Sets one key, making the objects on the way; a list or scalar in the way is replaced. */
function setKey(tree: Tree, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path
  if (head === undefined) return
  if (rest.length === 0) {
    tree[head] = value
    return
  }
  const child = tree[head]
  // A copy: a YAML alias is the same object in two places, and only one of them is meant.
  const next: Tree = isTree(child) ? { ...child } : {}
  tree[head] = next
  setKey(next, rest, value)
}

function getKey(tree: Tree, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isTree(value) ? value[key] : undefined), tree)
}

/** Where a problem lies: `listen.rtmp.port`, `bootstrap.channels[0].name`. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}

function describe(issue: z.core.$ZodIssue, keys: readonly EnvironmentKey[]): string[] {
  const lines = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
  const message = issue.code === 'unrecognized_keys' ? 'there is no such key' : issue.message
  return lines.map((path) => {
    const text = pathText(path)
    const source = keys.find((key) => key.path.join('.') === text || `${key.path.join('.')}`.startsWith(`${text}.`))
    return `${text || 'configuration'}${source ? ` (from ${source.variable})` : ''}: ${message}`
  })
}

/** The environment gives text; what the schema doesn't take as text is read as the YAML scalar or JSON it spells. */
function validate(tree: Tree, keys: readonly EnvironmentKey[]) {
  // Sorted, the shorter path comes first: what it sets is read at once where a longer one reaches into it.
  for (const key of keys) setKey(tree, key.path, isAbove(key, keys) ? spelled(key.text) : key.text)
  const first = configSchema.safeParse(tree)
  if (first.success) return first
  const refused = new Set(first.error.issues.map((issue) => pathText(issue.path)))
  for (const key of keys) {
    if (!refused.has(key.path.join('.')) || getKey(tree, key.path) !== key.text) continue
    setKey(tree, key.path, spelled(key.text))
  }
  return configSchema.safeParse(tree)
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) deepFreeze(child)
  return Object.freeze(value)
}

/**
 * The configuration out of a YAML file and the `HEADEND__…` variables, which win. Every problem is reported at once with
 * its key path and where it came from. The result is frozen.
 *
 * @throws AppError `CONFIG_UNREADABLE` or `CONFIG_INVALID`.
 */
export function loadConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const tree = file === undefined ? {} : readFile(file)
  if (!isTree(tree))
    throw new AppError('CONFIG_INVALID', `${file ?? 'configuration'} is not a mapping of keys to values`)
  const keys = readEnvironment(environment)
  const result = validate(tree, keys)
  if (result.success) return deepFreeze(result.data)
  const problems = result.error.issues.flatMap((issue) => describe(issue, keys))
  throw new AppError(
    'CONFIG_INVALID',
    `the configuration has ${problems.length} problem(s):\n  ${problems.join('\n  ')}`,
    {
      details: { problems },
    },
  )
}
