import { type ChildProcess, spawn } from 'node:child_process'

const LIMIT_MS = 100_000

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** Runs a program to its end. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // What hangs is ended, so that a failed test leaves nothing behind that eats a core.
    const child = spawn(program, args, {
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** Runs ffmpeg to its end; rejects with what it complained of when it fails. */
export async function ffmpeg(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await run('ffmpeg', ['-hide_banner', '-nostdin', '-y', '-v', 'warning', ...args])
  if (code !== 0) throw new Error(`ffmpeg ${args.join(' ')}: ${stderr}`)
  return stderr
}

/** What `ffprobe -of json` says. */
export async function ffprobe(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run('ffprobe', ['-v', 'error', '-of', 'json', ...args])
  if (code !== 0) throw new Error(`ffprobe ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout) as Record<string, unknown>
}

/** An encoder that runs until it is stopped. */
export type Encoder = {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  /** The connection is closed in order. */
  stop(): Promise<Finished>
  /** As if the cable were pulled from the encoder's side of the process. */
  kill(): Promise<Finished>
}

/** Starts ffmpeg in the background. */
export function startFfmpeg(args: readonly string[]): Encoder {
  const child = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-v', 'warning', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout: '', stderr }))
  })
  const end = (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    return finished
  }
  return { child, finished, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}

export type TestSource = {
  readonly size?: string
  readonly rate?: number
  readonly gopFrames?: number
  readonly seconds?: number
  readonly bitrate?: string
  readonly audio?: boolean
  readonly video?: boolean
}

/** Arguments of a live test source in real time: H.264 with B-frames, and AAC. */
export function testSource(source: TestSource = {}): string[] {
  const { size = '320x180', rate = 25, gopFrames = 25, bitrate = '300k', audio = true, video = true, seconds } = source
  const videoInput = ['-re', '-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}`]
  const audioInput = ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000']
  const x264 = [
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-bf',
    '2',
    '-g',
    `${gopFrames}`,
    '-keyint_min',
    `${gopFrames}`,
  ]
  return [
    ...(video ? videoInput : []),
    ...(audio ? audioInput : []),
    ...(video ? [...x264, '-sc_threshold', '0', '-pix_fmt', 'yuv420p', '-b:v', bitrate] : []),
    ...(audio ? ['-c:a', 'aac', '-b:a', '64k', '-ac', '2'] : []),
    ...(seconds === undefined ? [] : ['-t', `${seconds}`]),
  ]
}

/** Publishes a live test source. */
export function publish(url: string, source: TestSource = {}): Encoder {
  return startFfmpeg([...testSource(source), '-f', 'flv', url])
}

/** Publishes a file as it is, in real time. */
export function publishFile(url: string, file: string, ...args: readonly string[]): Encoder {
  return startFfmpeg(['-re', ...args, '-i', file, '-c', 'copy', '-f', 'flv', url])
}
