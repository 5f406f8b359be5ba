import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { MasterKeys } from '../../../src/keys/master-keys.ts'
import type { MasterKeySource } from '../../../src/keys/ports.ts'
import { type Clock, systemClock, VirtualClock } from '../../../src/lib/clock.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-master-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const key = randomBytes(32)
let files = 0

function fileOf(text: string): string {
  files += 1
  const file = join(folder, `key-${files}`)
  writeFileSync(file, text)
  return file
}

function script(body: string): string {
  const file = fileOf(`#!/bin/sh\n${body}\n`)
  chmodSync(file, 0o700)
  return file
}

type Given = { readonly environment?: Record<string, string>; readonly clock?: Clock }

function open(source: Omit<MasterKeySource, 'id'>, { environment = {}, clock = systemClock }: Given = {}): MasterKeys {
  return new MasterKeys([{ id: 'k', ...source }], { clock, environment })
}

const unavailable = (message: RegExp) => ({ code: 'MASTER_KEY_UNAVAILABLE', message: expect.stringMatching(message) })

describe('a master key', () => {
  it.each([
    ['hex', key.toString('hex')],
    ['capital hex', key.toString('hex').toUpperCase()],
    ['base64', key.toString('base64')],
    ['base64 without padding', key.toString('base64').replace('=', '')],
    ['URL-safe base64', key.toString('base64url')],
    ['a line of its own', `  ${key.toString('base64')}\r\n`],
  ])('is read as %s, from a file, a variable, or what a command prints', async (_how, text) => {
    expect(await open({ file: fileOf(text) }).load('k')).toEqual(key)
    expect(await open({ environment: 'KEY' }, { environment: { KEY: text } }).load('k')).toEqual(key)
    expect(await open({ command: ['cat', fileOf(text)] }).load('k')).toEqual(key)
  })

  it.each([
    ['nothing', '', /nothing is there/],
    ['too short', key.toString('hex').slice(2), /62 characters of something else/],
    ['too long', `${key.toString('base64')}AAAA`, /48 characters/],
    ['two lines', `${key.toString('hex')}\n${key.toString('hex')}`, /129 characters/],
    ['a passphrase', 'correct horse battery staple', /28 characters/],
  ])('that is %s is refused, and the source named, not what was found', async (_what, text, message) => {
    const file = fileOf(text)
    for (const keys of [open({ file }), open({ environment: 'KEY' }, { environment: { KEY: text } })]) {
      const error = await keys.load('k').catch((thrown: unknown) => thrown)
      expect(error).toMatchObject(unavailable(message))
      expect(error).toMatchObject(unavailable(/^The master key k \((file|variable) .*32 bytes in base64 or hex/))
      if (text.length > 20) expect(String(error)).not.toContain(text)
    }
  })

  it('that is not there says where it was looked for', async () => {
    const path = join(folder, 'nowhere')
    await expect(open({ file: path }).load('k')).rejects.toMatchObject(
      unavailable(/file .*nowhere\) can't be had: ENOENT/),
    )
    await expect(open({ environment: 'NO_KEY' }).load('k')).rejects.toMatchObject(unavailable(/NO_KEY\).*is not set/))
    await expect(open({ command: [path] }).load('k')).rejects.toMatchObject(unavailable(/command .*nowhere\).*ENOENT/))
    const inTheWay = join(folder, 'folder')
    mkdirSync(inTheWay)
    await expect(open({ file: inTheWay }).load('k')).rejects.toMatchObject(unavailable(/it is no file/))
    await expect(open({ file: '/dev/zero' }).load('k')).rejects.toMatchObject(unavailable(/it is no file/))
  })

  it('of another id is not configured', async () => {
    await expect(open({ environment: 'KEY' }).load('old')).rejects.toMatchObject(
      unavailable(/master key old is not among/),
    )
    expect(open({ environment: 'KEY' }).primaryId).toBe('k')
    expect(new MasterKeys([], { clock: systemClock, environment: {} }).primaryId).toBeUndefined()
  })

  it('is looked for once, by however many it is asked for, and kept', async () => {
    const counter = fileOf('')
    const keys = open({ command: [script(`echo x >> ${counter}\necho ${key.toString('hex')}`)] })
    const all = await Promise.all(Array.from({ length: 5 }, () => keys.load('k')))
    expect(all.every((one) => key.equals(one))).toBe(true)
    await keys.load('k')
    expect(readFileSync(counter, 'utf8')).toBe('x\n')
  })

  it('that could not be had is looked for again, but not at once', async () => {
    const clock = new VirtualClock()
    const file = join(folder, 'late')
    const keys = open({ file }, { clock })
    await expect(keys.load('k')).rejects.toMatchObject(unavailable(/ENOENT/))
    writeFileSync(file, key.toString('hex'))
    await expect(keys.load('k')).rejects.toMatchObject(unavailable(/ENOENT/))
    await clock.advance(5_000)
    expect(await keys.load('k')).toEqual(key)
  })
})

describe('the command of a master key', () => {
  it('sees no shell: what looks like one is an argument', async () => {
    const echo = `${key.toString('hex')}; touch ${join(folder, 'touched')} $(touch ${join(folder, 'touched')})`
    await expect(open({ command: ['echo', echo] }).load('k')).rejects.toMatchObject(unavailable(/characters/))
    expect(() => readFileSync(join(folder, 'touched'))).toThrow()
  })

  it('that fails is told with what it complained of, not with what it printed', async () => {
    const command = [script(`echo ${key.toString('hex')}\necho 'the vault is sealed' >&2\nexit 3`)]
    const error = await open({ command })
      .load('k')
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject(unavailable(/it ended with 3: the vault is sealed/))
    expect(String(error)).not.toContain(key.toString('hex'))
    expect(JSON.stringify(error)).not.toContain(key.toString('hex'))
  })

  it('that prints without end is ended', async () => {
    await expect(open({ command: ['yes'] }).load('k')).rejects.toMatchObject(unavailable(/prints more than 4096 bytes/))
  })

  it('that never ends is killed at its deadline, with its children', async () => {
    const clock = new VirtualClock()
    const pids = fileOf('')
    const begun = fileOf('')
    const command = [
      script(`trap '' TERM\nsleep 1000 &\necho $! > ${pids}\necho $$ >> ${pids}\necho ready > ${begun}\nwait`),
    ]
    const keys = open({ command }, { clock })
    const loading = keys.load('k').catch((thrown: unknown) => thrown)
    await expect.poll(() => readFileSync(begun, 'utf8')).toBe('ready\n')
    await clock.advance(10_000)
    expect(await loading).toMatchObject(unavailable(/has not ended within 10000 ms/))
    for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) {
      await expect.poll(() => stateOf(pid)).toMatch(/^(gone|Z)$/)
    }
  })

  it('is ended when the node is stopped', async () => {
    const begun = fileOf('')
    const keys = open({ command: [script(`echo ready > ${begun}\nexec sleep 1000`)] })
    const loading = keys.load('k').catch((thrown: unknown) => thrown)
    await expect.poll(() => readFileSync(begun, 'utf8')).toBe('ready\n')
    await keys.stop()
    expect(await loading).toMatchObject(unavailable(/being stopped/))
  })
})

function stateOf(pid: string): string {
  try {
    return /State:\s+(\S)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 'gone'
  } catch {
    return 'gone'
  }
}
