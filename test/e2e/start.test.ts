import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchMaster, until } from '../support/playlist.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
/** A program that gives up has nothing to wait for; the rest is for a loaded machine. */
const QUICK_MS = 7_000

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Run = { readonly code: number | null; readonly stdout: string; readonly stderr: string; readonly tookMs: number }

/** Runs the program to its end, which is expected to come by itself; `onOutput` sees it as it grows. */
async function runMain(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onOutput: (child: ChildProcess, text: string) => void = () => undefined,
): Promise<Run> {
  const startMs = performance.now()
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env }, stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    onOutput(child, stdout)
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr, tookMs: performance.now() - startMs }
}

function writeConfig(more: Readonly<Record<string, unknown>> = {}): string {
  const local = { host: '127.0.0.1', port: 0 }
  const file = join(folder, 'config.yaml')
  const listen = { control: local, streaming: local, rtmp: local, rtmps: local }
  const bootstrap = { channels: [{ name: 'main' }], programs: [{ name: 'main', channel: 'main' }] }
  const text = stringify({ dataDir: join(folder, 'data'), publicHost: '127.0.0.1', listen, bootstrap, ...more })
  writeFileSync(file, text)
  return file
}

describe('the command line', () => {
  it('tells what it takes, and its version', async () => {
    const help = await runMain(['--help'])
    expect([help.code, help.stderr]).toEqual([0, ''])
    for (const word of ['--config FILE', '--demo', '--version', 'HEADEND__LISTEN__RTMP__PORT']) {
      expect(help.stdout).toContain(word)
    }
    const { version } = JSON.parse(readFileSync(resolve(MAIN, '../../package.json'), 'utf8')) as { version: string }
    expect(await runMain(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it.each([
    [['--bogus'], /^headend: Unknown option '--bogus'/],
    [['serve'], /^headend: Unexpected argument 'serve'/],
    [['--config'], /^headend: Option '--config <value>' argument missing/],
    [['--config', '/nowhere/headend.yaml'], /^headend: \/nowhere\/headend\.yaml can't be read: ENOENT/],
  ])('refuses %j with one line', async (args, words) => {
    const { code, stdout, stderr } = await runMain(args)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(words)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })
})

describe('a start that can not be', () => {
  it('because of the configuration names every problem', async () => {
    const env = { HEADEND__INGEST__MAX_CONECTIONS: '1', HEADEND__LISTEN__RTMP__PORT: 'abc' }
    const { code, stdout, stderr } = await runMain(['--config', writeConfig({ bogus: true })], env)
    expect([code, stdout]).toEqual([1, ''])
    const [head, ...problems] = stderr.trim().split('\n')
    expect(head).toBe('headend: the configuration has 3 problem(s):')
    expect(problems.map((line) => line.trim().split(':')[0]).sort()).toEqual([
      'bogus',
      'ingest.maxConections (from HEADEND__INGEST__MAX_CONECTIONS)',
      'listen.rtmp.port (from HEADEND__LISTEN__RTMP__PORT)',
    ])
  })

  it.each(['rtmp', 'streaming', 'control'])('because the %s port is taken says which, at once', async (listener) => {
    const stranger = createServer().listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const { port } = stranger.address() as { port: number }
    const env = { [`HEADEND__LISTEN__${listener.toUpperCase()}__PORT`]: `${port}` }
    const run = await runMain(['--demo', '--config', writeConfig()], env)
    stranger.close()
    expect(run.code).toBe(1)
    expect(run.stderr.trim().split('\n')).toHaveLength(1)
    expect(run.stderr).toMatch(new RegExp(`^headend: the ${listener} listener can't use 127\\.0\\.0\\.1`, 'i'))
    expect(run.stderr).toContain(`${port}`)
    // Nothing is left that would hold the process, and nobody was told to come.
    expect(run.tookMs).toBeLessThan(QUICK_MS)
    expect(() => statSync(join(folder, 'data/quickstart.json'))).toThrow('ENOENT')
  })

  it.each([
    ['there is no ffmpeg', { FFMPEG_PATH: '/nowhere' }, /ffmpeg can't be run as "\/nowhere": install ffmpeg 5\.1/],
    ['the data folder can not be made', { HEADEND__DATA_DIR: '/proc/headend' }, /the folder \/proc\/headend can't be/],
    ['the data folder is a file', { HEADEND__DATA_DIR: MAIN }, /the folder .*main\.ts can't be made/],
    [
      'the certificate is not there',
      { HEADEND__TLS: '{"certFile":"/nowhere/c.pem","keyFile":"/nowhere/k.pem"}' },
      /the certificate can't be used: ENOENT.*\/nowhere\/c\.pem/,
    ],
    [
      'an address is not of this machine',
      { HEADEND__LISTEN__RTMP__HOST: '203.0.113.1' },
      /rtmp listener can't use 203/,
    ],
    [
      'an address is not of this machine',
      { HEADEND__LISTEN__STREAMING__HOST: '203.0.113.1' },
      /streaming listener can't use 203/,
    ],
  ])('because %s', async (_what, env, words) => {
    const { code, stderr, tookMs } = await runMain(['--config', writeConfig()], env)
    expect(code).toBe(1)
    expect(stderr).toMatch(words)
    expect(stderr).toMatch(/^headend: /)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(tookMs).toBeLessThan(QUICK_MS)
  })
})

describe('a start', () => {
  it('is broken off by a signal in its middle: exit code 0, nothing announced, nothing left', async () => {
    let told = false
    const { code, stdout, stderr, tookMs } = await runMain(
      ['--demo', '--config', writeConfig()],
      {},
      // The encoders' door is the last step but the announcement.
      (child, text) => {
        if (!text.includes('rtmp listening') || told) return
        told = true
        child.kill('SIGTERM')
      },
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(tookMs).toBeLessThan(10_000 + QUICK_MS)
    expect(stdout).toContain('"msg":"stopped"')
  })

  it('removes what an earlier run announced before it does anything else', async () => {
    const file = join(folder, 'data/quickstart.json')
    writeFileSync(file, '{}')
    await runMain(['--config', writeConfig()], { FFMPEG_PATH: '/nowhere' })
    expect(() => statSync(file)).toThrow('ENOENT')
  })

  it('keeps keys and locator over restarts, whatever the configuration says of them later', async () => {
    const dataDir = temporaryFolder()
    const runs: Headend[] = []
    for (const channel of [{}, {}, { streamKey: '0123456789' }]) {
      const headend = await startHeadend({ dataDir, channel })
      runs.push(headend)
      expect(await headend.stop()).toBe(0)
    }
    const [first, second, third] = runs.map(({ quickstart }) => quickstart)
    expect(second?.streamKey).toBe(first?.streamKey)
    expect(third?.streamKey).toBe(first?.streamKey)
    expect(new Set([first, second, third].map((quickstart) => quickstart?.apiKey)).size).toBe(1)
    rmSync(dataDir, { recursive: true })
    const locators = [first, second, third].map((quickstart) => new URL(quickstart?.hlsUrl ?? '').pathname)
    expect(new Set(locators).size).toBe(1)
  })

  it('prints where to publish and to watch, and keeps the key out of the log', async () => {
    const headend = await startHeadend({ env: { HEADEND__LOG_LEVEL: 'trace' } })
    const { rtmpUrl, streamKey, hlsUrl, dashUrl, playerUrl, apiKey } = headend.quickstart
    const printed = [rtmpUrl, streamKey, hlsUrl, dashUrl, playerUrl]
    await until(
      'the printed addresses',
      30_000,
      async () => headend.output().replaceAll(/^\{.*$/gm, ''),
      (text) => printed.every((address) => text.includes(address)),
    )
    const encoder = publish(headend.publishUrl, { size: '160x90' })
    await until(
      'the publish',
      30_000,
      () => fetchMaster(hlsUrl),
      ({ variants }) => variants.length === 1,
    )
    const second = await publish(headend.publishUrl, { size: '160x90' }).finished
    expect(second.code).not.toBe(0)
    await encoder.stop()
    await until(
      'the end of the publication',
      10_000,
      async () => headend.lines(),
      (seen) => seen.some(({ msg }) => msg === 'publish ended'),
    )
    expect(await headend.stop()).toBe(0)
    const lines = headend.lines()
    expect(JSON.stringify(lines)).not.toContain(streamKey)
    expect(headend.output()).not.toContain(apiKey)
    // One line for one event, each with what it is about.
    const named = (msg: string) => lines.filter((line) => line.msg === msg)
    expect(named('headend started')).toMatchObject([{ level: 'info', rtmpUrl }])
    expect(named('publish started')).toMatchObject([{ channel: 'main', layer: 'default', protocol: 'rtmp' }])
    expect(named('publish refused')).toMatchObject([{ channel: 'main', reason: 'busy', level: 'warn' }])
    expect(named('publish ended')).toMatchObject([{ channel: 'main', reason: 'unpublished', level: 'info' }])
    const session = named('publish started')[0]?.['session']
    expect(session).toMatch(/^[0-9a-f-]{36}$/)
    expect(named('publish ended')[0]?.['session']).toBe(session)
    expect(named('encoder connected')).toEqual([])
  })
})
