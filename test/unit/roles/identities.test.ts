import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { configSchema } from '../../../src/config/schema.ts'
import { DataDir } from '../../../src/roles/data-dir.ts'
import { Identities } from '../../../src/roles/identities.ts'

const root = mkdtempSync(join(tmpdir(), 'headend-identities-'))
afterAll(() => rmSync(root, { recursive: true }))

function declared(name: string, channelKeys = {}, programKeys = {}) {
  const { bootstrap } = configSchema.parse({
    bootstrap: { channels: [{ name, ...channelKeys }], programs: [{ name, channel: name, ...programKeys }] },
  })
  return { channel: bootstrap.channels[0]!, program: bootstrap.programs[0]! }
}

describe('Identities', () => {
  const dir = new DataDir(join(root, 'kept'))
  const { channel, program } = declared('main')

  it('makes what can not be guessed, and keeps it over restarts', async () => {
    const first = new Identities(dir)
    const key = first.streamKey(channel).reveal()
    const made = first.program(program)
    expect(key).toMatch(/^[A-Za-z0-9_-]{24}$/)
    expect(made.locatorId).toMatch(/^[0-9a-f-]{36}$/)
    expect(first.streamKey(channel).reveal()).toBe(key)
    expect(first.streamKey(declared('other').channel).reveal()).not.toBe(key)
    await first.save()
    const second = new Identities(dir)
    expect(second.streamKey(channel).reveal()).toBe(key)
    expect(second.program(program)).toEqual(made)
  })

  it('lets the configuration go first, and comes back to what was made', () => {
    const identities = new Identities(dir)
    const made = identities.program(program)
    const stated = declared('main', { streamKey: 'stated-key' }, { locatorId: 'stated-locator' })
    expect(identities.streamKey(stated.channel).reveal()).toBe('stated-key')
    expect(identities.program(stated.program)).toEqual({ ...made, locatorId: 'stated-locator' })
    expect(identities.program(program)).toEqual(made)
  })

  it.each(['constructor', 'toString', 'hasOwnProperty', 'valueOf'])('makes a key for a channel named %s', (name) => {
    const fresh = new Identities(new DataDir(join(root, name)))
    const odd = declared(name)
    expect(fresh.streamKey(odd.channel).reveal()).toMatch(/^[A-Za-z0-9_-]{24}$/)
    expect(fresh.program(odd.program).locatorId).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('refuses a file that is damaged rather than making new keys over it', () => {
    const damaged = new DataDir(join(root, 'damaged'))
    writeFileSync(join(damaged.path, 'identities.json'), '{"channels":{"main":{}},"programs":{}}')
    expect(() => new Identities(damaged)).toThrow(expect.objectContaining({ code: 'STATE_UNWRITABLE' }))
  })
})
