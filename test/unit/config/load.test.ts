import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../../src/config/load.ts'
import { channelDurations, configSchema } from '../../../src/config/schema.ts'
import { AppError } from '../../../src/lib/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

function write(text: string): string {
  const file = join(folder, 'config.yaml')
  writeFileSync(file, text)
  return file
}

function errorOf(text: string, environment: Record<string, string> = {}): AppError {
  try {
    loadConfig(write(text), environment)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('was accepted')
}

const problemsOf = (text: string, environment: Record<string, string> = {}): readonly string[] =>
  errorOf(text, environment).details['problems'] as string[]

const oneChannel = 'bootstrap: {channels: [{name: main}], programs: [{name: main, channel: main}]}'

describe('config/default.yaml', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../../config/default.yaml'), 'utf8')

  it('says the default of every key, and no other', () => {
    const { bootstrap: _example, ...documented } = parse(text) as Record<string, unknown>
    const { bootstrap: _none, ...defaults } = configSchema.parse({})
    expect(configSchema.parse(documented)).toEqual(configSchema.parse({}))
    // Every key that has a default stands in the file: its tree of keys is the schema's.
    const keysOf = (value: unknown, path = ''): string[] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([key, child]) => keysOf(child, `${path}.${key}`))
        : [path]
    expect(new Set(keysOf(documented))).toEqual(new Set(keysOf(defaults)))
  })

  it('loads, with one channel and its program', () => {
    const config = loadConfig(resolve(import.meta.dirname, '../../../config/default.yaml'), {})
    expect(config.bootstrap.channels.map(({ name }) => name)).toEqual(['main'])
    expect(config.bootstrap.programs.map(({ channel }) => channel)).toEqual(['main'])
    expect(channelDurations(config.bootstrap.channels[0]!).segmentDurationMs).toBe(2_000)
  })

  it('holds examples that are accepted when they are uncommented', () => {
    const examples =
      /^(\s*)# ( *)((?:tls|certFile|keyFile|systemApiKey|signingKey|ffmpegPath|ladderDir|url|streamKey|partDuration|allowIp|locatorId|startAt|stopAt):.*)$/gm
    expect(text.match(examples)).toHaveLength(14)
    const uncommented = text.replace(examples, '$1$2$3')
    const config = loadConfig(write(uncommented), {})
    expect(config.tls).toEqual({ certFile: '/etc/headend/fullchain.pem', keyFile: '/etc/headend/privkey.pem' })
    const [channel] = config.bootstrap.channels
    expect(channel?.streamKey?.reveal()).toBe('a-secret-of-your-own')
    expect(channel?.allowIp).toEqual(['192.0.2.0/24'])
    expect(config.bootstrap.programs[0]?.locatorId).toBe('6f1d2c3b-0000-4000-8000-000000000000')
    expect(config.transcode.ffmpegPath).toBe('/usr/bin/ffmpeg')
    expect(config.auth.systemApiKey?.reveal()).toMatch(/^hk_/)
    expect(config.auth.signingKey?.reveal()).toHaveLength(43)
  })
})

describe('where keys come from', () => {
  it('is SPEKE as the example has it, with what is secret kept so', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../config/default.yaml'), 'utf8')
    const [example = ''] = /^ {2}# provider:\n(?: {2}# {3}.*\n)+/m.exec(text) ?? []
    const config = loadConfig(write(`keys:\n${example.replace(/^ {2}# /gm, '  ')}`), {})
    expect(config.keys.provider.speke).toMatchObject({
      url: 'https://keys.example.com/speke/v2',
      username: 'headend',
      certificate: '/etc/headend/speke.crt',
      systems: ['widevine', 'playready', 'fairplay'],
      timeout: 5_000,
      allowPrivate: false,
    })
    expect(JSON.stringify(config.keys)).not.toMatch(/a-password|a-key/)
  })

  it.each([
    ['two of them', { command: ['x'], speke: { url: 'https://k.example/' } }],
    ['a password in the URL', { speke: { url: 'https://u:p@k.example/' } }],
    ['a username alone', { speke: { url: 'https://k.example/', username: 'u' } }],
    ['a certificate alone', { speke: { url: 'https://k.example/', certificate: 'c' } }],
    ['a header that is set here', { speke: { url: 'https://k.example/', headers: { Authorization: 'x' } } }],
    ['another protocol', { speke: { url: 'ftp://k.example/' } }],
  ])('is refused: %s', (_what, provider) => {
    expect(configSchema.safeParse({ keys: { provider } }).success).toBe(false)
  })
})

describe('loadConfig', () => {
  it('gives the defaults for an empty file, frozen to the ground', () => {
    const config = loadConfig(write(''), {})
    expect(config).toEqual(configSchema.parse({}))
    expect(() => {
      Object.assign(config.listen.rtmp, { port: 1 })
    }).toThrow(TypeError)
    expect(Object.isFrozen(loadConfig(write(oneChannel), {}).bootstrap.channels[0])).toBe(true)
  })

  it('lets the environment win, with numbers, durations, lists and objects', () => {
    const config = loadConfig(write('listen: {rtmp: {port: 5}}\ndataDir: /elsewhere'), {
      HEADEND__LISTEN__RTMP__PORT: '0',
      HEADEND__LISTEN__RTMP__HOST: '::1',
      HEADEND__DATA_DIR: '/srv/headend',
      HEADEND__INGEST__IDLE_TIMEOUT: '3s',
      HEADEND__TLS: '{"certFile":"/c.pem","keyFile":"/k.pem"}',
      HEADEND__BOOTSTRAP: '{"channels":[{"name":"main","streamKey":"12345678"}]}',
      UNRELATED: 'x',
    })
    expect(config.listen.rtmp).toEqual({ host: '::1', port: 0 })
    expect(config.dataDir).toBe('/srv/headend')
    expect(config.ingest.idleTimeout).toBe(3_000)
    expect(config.tls).toEqual({ certFile: '/c.pem', keyFile: '/k.pem' })
    expect(config.bootstrap.channels[0]?.streamKey?.reveal()).toBe('12345678')
  })

  it('changes one of two keys that share an anchor, and leaves the other', () => {
    const { listen } = loadConfig(write('listen: {rtmp: &here {host: "::1", port: 5}, rtmps: *here}'), {
      HEADEND__LISTEN__RTMP__PORT: '6',
    })
    expect([listen.rtmp.port, listen.rtmps.port]).toEqual([6, 5])
  })

  it('takes text that looks like a number as text where text is wanted', () => {
    const config = loadConfig(write(''), { HEADEND__PUBLIC_HOST: '1234', HEADEND__DATA_DIR: '007' })
    expect(config.publicHost).toBe('1234')
    expect(config.dataDir).toBe('007')
  })

  it('puts a variable for a part into the object of a variable for the whole', () => {
    const config = loadConfig(write(''), {
      HEADEND__BOOTSTRAP: '{"channels":[{"name":"one"}]}',
      HEADEND__BOOTSTRAP__PROGRAMS: '[{"name":"first","channel":"one"}]',
    })
    expect(config.bootstrap.channels.map(({ name }) => name)).toEqual(['one'])
    expect(config.bootstrap.programs.map(({ name }) => name)).toEqual(['first'])
  })

  it('names every problem at once, with its key and its source', () => {
    const problems = problemsOf('ingest: {maxConections: 3, maxAmfDepth: 1000}\nlogLevel: loud\nbogus: 1', {
      HEADEND__LISTEN__RTMP__PORT: '70000',
      HEADEND__LISTEN__RTMP__PORTS: '1',
      HEADEND__INGEST__IDLE_TIMEOUT: '7',
      HEADEND__NONSENSE__DEEP: 'x',
    })
    expect(problems.map((line) => line.split(':')[0]).sort()).toEqual(
      [
        'bogus',
        'ingest.idleTimeout (from HEADEND__INGEST__IDLE_TIMEOUT)',
        'ingest.maxAmfDepth',
        'ingest.maxConections',
        'listen.rtmp.port (from HEADEND__LISTEN__RTMP__PORT)',
        'listen.rtmp.ports (from HEADEND__LISTEN__RTMP__PORTS)',
        'logLevel',
        'nonsense (from HEADEND__NONSENSE__DEEP)',
      ].sort(),
    )
    expect(problems).toContain('bogus: there is no such key')
    expect(errorOf('bogus: 1').message).toBe('the configuration has 1 problem(s):\n  bogus: there is no such key')
  })

  it.each([
    ['a channel twice', '{channels: [{name: a}, {name: a}]}', 'bootstrap.channels: two channels have the same name'],
    [
      'a stream key twice',
      '{channels: [{name: a, streamKey: samesame}, {name: b, streamKey: samesame}]}',
      'bootstrap.channels: two channels have the same streamKey',
    ],
    [
      'a locator twice, in another case',
      '{channels: [{name: a}], programs: [{name: p, channel: a, locatorId: 6F1D2C3B-0000-4000-8000-000000000000}, {name: q, channel: a, locatorId: 6f1d2c3b-0000-4000-8000-000000000000}]}',
      'bootstrap.programs: two programs have the same locatorId',
    ],
    [
      'a program without its channel',
      '{programs: [{name: p, channel: a}]}',
      'bootstrap.programs[0].channel: there is no channel "a"',
    ],
    [
      'a short rewind window',
      '{channels: [{name: a}], programs: [{name: p, channel: a, rewindWindow: 59s}]}',
      'bootstrap.programs[0].rewindWindow: must be at least 60s',
    ],
    [
      'a segment of no length',
      '{channels: [{name: a, segmentDuration: 0s}]}',
      'bootstrap.channels[0].segmentDuration: must lie between 500ms and 30s',
    ],
    [
      'a part longer than its segment',
      '{channels: [{name: a, segmentDuration: 2s, partDuration: 3s}]}',
      'bootstrap.channels[0].partDuration: must lie between 100ms and segmentDuration',
    ],
    [
      'a key frame interval of nothing',
      '{channels: [{name: a, keyFrameInterval: 0s}]}',
      'bootstrap.channels[0].keyFrameInterval: must be more than nothing',
    ],
    [
      'an address that is none',
      '{channels: [{name: a, allowIp: [example.org]}]}',
      'bootstrap.channels[0].allowIp[0]: must be an address or a network like 192.0.2.0/24',
    ],
    [
      'a key of bare digits',
      '{channels: [{name: a, streamKey: 12345678}]}',
      'bootstrap.channels[0].streamKey: must be text: a key of digits alone stands in quotes',
    ],
    [
      'a name that leads out of the data folder',
      '{channels: [{name: ../a}]}',
      'bootstrap.channels[0].name: must be 1 to 64 letters, digits, . _ -',
    ],
  ])('refuses %s', (_what, bootstrap, problem) => {
    expect(problemsOf(`bootstrap: ${bootstrap}`)).toContain(problem)
  })

  it('says when a file is not there, is not YAML, or is not a mapping', () => {
    expect(() => loadConfig('/nowhere/config.yaml', {})).toThrow(
      expect.objectContaining({ code: 'CONFIG_UNREADABLE', message: expect.stringContaining("can't be read: ENOENT") }),
    )
    expect(errorOf('a: [1').code).toBe('CONFIG_UNREADABLE')
    expect(errorOf('a: 1\na: 2').code).toBe('CONFIG_UNREADABLE')
    expect(errorOf('- a').message).toContain('is not a mapping of keys to values')
  })
})
