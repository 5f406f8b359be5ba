import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../../src/config/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-config-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))

function load(masterKeys: unknown, environment: Record<string, string> = {}) {
  const file = join(folder, 'config.yaml')
  writeFileSync(file, JSON.stringify({ storage: { masterKeys } }))
  return loadConfig(file, environment).storage.masterKeys
}

function problemsOf(masterKeys: unknown): readonly string[] {
  try {
    load(masterKeys)
    return []
  } catch (error) {
    return (error as { details: { problems: string[] } }).details.problems
  }
}

describe('storage.masterKeys', () => {
  it('names where keys are found: a file, a variable or a command', () => {
    const keys = [
      { id: '2027', file: '/run/secrets/master' },
      { id: '2026', environment: 'HEADEND_MASTER_KEY' },
      { id: 'vault', command: ['/usr/bin/vault', 'read', '-field=key', 'headend'] },
    ]
    expect(load(keys)).toEqual(keys)
    expect(load([], { HEADEND__STORAGE__MASTER_KEYS: JSON.stringify(keys) })).toEqual(keys)
    expect(load(undefined)).toEqual([])
  })

  it.each([
    [[{ id: 'a' }], 'storage.masterKeys[0]: must have one of file, environment and command'],
    [
      [{ id: 'a', file: 'x', environment: 'Y' }],
      'storage.masterKeys[0]: must have one of file, environment and command',
    ],
    [[{ id: 'a', command: [] }], 'storage.masterKeys[0].command: Too small: expected array to have >=1 items'],
    [
      [{ id: 'a', environment: 'q83v/w==' }],
      'storage.masterKeys[0].environment: must be the name of a variable, not the key itself',
    ],
    [[{ id: 2026, file: 'x' }], 'storage.masterKeys[0].id: Invalid input: expected string, received number'],
    [[{ id: 'a/b', file: 'x' }], 'storage.masterKeys[0].id: must be 1 to 64 letters, digits, . _ -'],
    [[{ id: 'a', key: 'x' }], 'storage.masterKeys[0].key: there is no such key'],
    [
      [
        { id: 'a', file: 'x' },
        { id: 'a', file: 'y' },
      ],
      'storage.masterKeys: two master keys have the same id',
    ],
  ])('is not %j', (keys, problem) => {
    expect(problemsOf(keys)).toContain(problem)
  })

  it('is shown in config/default.yaml by an example that is accepted', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../config/default.yaml'), 'utf8')
    const [, lines = ''] = /\n {2}# masterKeys:\n((?: {2}# {3}.*\n)+)/.exec(text) ?? []
    const example = parse(lines.replaceAll(/^ {2}# {3}/gm, ''))
    expect(load(example)).toEqual(example)
    expect(example.length).toBe(3)
  })
})
