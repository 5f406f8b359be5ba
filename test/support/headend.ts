import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import type { Quickstart } from '../../src/roles/quickstart.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** The flags for node with which `npm start` starts the program. */
function startFlags(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } }
  return (/exec node (.*)src\/main\.ts$/.exec(scripts.start)?.[1] ?? '').split(' ').filter((flag) => flag !== '')
}

export type LogLine = {
  readonly level: string
  readonly time: string
  readonly msg: string
  readonly [field: string]: unknown
}

export type HeadendOptions = {
  /** Goes over the test's own configuration: free ports, a temporary data folder, one channel with 2 s segments. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Fields of the one channel and of its program. */
  readonly channel?: Readonly<Record<string, unknown>>
  readonly program?: Readonly<Record<string, unknown>>
  readonly args?: readonly string[]
  /** Extra environment, and flags for node. */
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArgs?: readonly string[]
  /** Kept by the caller to start again on; otherwise made, and removed at the end. */
  readonly dataDir?: string
}

/** A Headend of its own: the real program in a process, on free ports. */
export type Headend = {
  /** What the bootstrap section made is in it: every test but those of the API declares a channel and a program. */
  readonly quickstart: Required<Quickstart>
  readonly pid: number
  readonly dataDir: string
  readonly child: ChildProcess
  /** `rtmp://host:port/live/<key>`, as ffmpeg wants it. */
  readonly publishUrl: string
  readonly rtmpPort: number
  /** The log so far. */
  lines(): LogLine[]
  /** Everything it printed, for the message of a failed test. */
  output(): string
  metrics(): Promise<string>
  /** The value of a series by its name and, where given, part of its labels; 0 where there is none. */
  metric(name: string, labels?: string): Promise<number>
  /** SIGTERM and the exit code. Rejects where an answer broke a rule of a standard. */
  stop(): Promise<number | null>
  /** SIGKILL. Rejects where an answer that was given before broke a rule of a standard. */
  kill(): Promise<void>
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'headend-test-'))
}

/** Every answer of a run is held against the rules of the standards; where one was broken, the end of the run says so. */
const CHECKED = { conformanceEvery: 1 }

function configOf(options: HeadendOptions, dataDir: string): Record<string, unknown> {
  const local = { host: '127.0.0.1', port: 0 }
  return {
    dataDir,
    publicHost: '127.0.0.1',
    listen: { control: local, streaming: local, rtmp: local, rtmps: local },
    bootstrap: {
      channels: [{ name: 'main', segmentDuration: '2s', ...options.channel }],
      programs: [{ name: 'main', channel: 'main', ...options.program }],
    },
    ...options.config,
    // What a test says of the origin is not to switch that off, unless it says so.
    origin: { ...CHECKED, ...(options.config?.['origin'] ?? {}) },
  }
}

/** Resolves with the file's JSON as soon as it is there: it is written whole. */
function whenWritten(folder: string, name: string, signal: AbortSignal): Promise<unknown> {
  const file = join(folder, name)
  return new Promise((resolveFile, reject) => {
    const watcher = watch(folder, () => look())
    const look = () => {
      if (!existsSync(file)) return
      watcher.close()
      resolveFile(JSON.parse(readFileSync(file, 'utf8')))
    }
    signal.addEventListener('abort', () => {
      watcher.close()
      reject(signal.reason)
    })
    look()
  })
}

export async function startHeadend(options: HeadendOptions = {}): Promise<Headend> {
  const dataDir = options.dataDir ?? temporaryFolder()
  rmSync(join(dataDir, 'quickstart.json'), { force: true })
  const configFile = join(dataDir, 'config.yaml')
  writeFileSync(configFile, stringify(configOf(options, dataDir)))
  const args = [
    ...startFlags(),
    ...(options.nodeArgs ?? []),
    join(ROOT, 'src/main.ts'),
    '--config',
    configFile,
    ...(options.args ?? []),
  ]
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const exited = new Promise<number | null>((resolveExit) => child.once('close', (code) => resolveExit(code)))
  const failed = new AbortController()
  void exited.then((code) => failed.abort(new Error(`headend ended with code ${code} before it was ready:\n${output}`)))
  const quickstart = (await whenWritten(dataDir, 'quickstart.json', failed.signal)) as Required<Quickstart>
  const cleanUp = () => {
    if (!options.dataDir) rmSync(dataDir, { recursive: true, force: true })
  }
  const metrics = async () => (await fetch(`${quickstart.controlUrl}/metrics`)).text()
  const rtmp = new URL(quickstart.rtmpUrl)
  const gone = async () => {
    const code = await exited
    cleanUp()
    const breach = output.split('\n').find((line) => line.includes('breaks the rule'))
    if (breach !== undefined) throw new Error(breach)
    return code
  }
  return {
    quickstart,
    dataDir,
    child,
    pid: child.pid ?? 0,
    publishUrl: `${quickstart.rtmpUrl}/${quickstart.streamKey}`,
    rtmpPort: Number(rtmp.port),
    output: () => output,
    lines: () =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as LogLine),
    metrics,
    async metric(name, labels = '') {
      const line = (await metrics()).split('\n').find((text) => text.startsWith(name) && text.includes(labels))
      return Number(line?.split(' ').at(-1) ?? 0)
    },
    stop() {
      child.kill('SIGTERM')
      return gone()
    },
    async kill() {
      child.kill('SIGKILL')
      await gone()
    },
  }
}
