import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'

/** Which ffmpeg publishes, and where to. */
export type DemoOptions = {
  readonly ffmpegPath: string
  /** `rtmp://127.0.0.1:1935/live/<key>` */
  readonly url: string
  /** Whether `DEMO_FONT` is installed. */
  readonly hasFont: boolean
}

const RESTART_DELAY_MS = 1_000
const KILL_AFTER_MS = 2_000
/** The clock in the test pattern is drawn where this font is installed. */
export const DEMO_FONT = '/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf'

/** The arguments of an encoder that publishes a moving test pattern with a clock and a tone, in real time. */
export function demoArguments(url: string, hasFont: boolean): string[] {
  const clock = `drawtext=fontfile=${DEMO_FONT}:text='%{localtime\\:%H\\\\\\:%M\\\\\\:%S}':fontsize=64:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=16:x=(w-tw)/2:y=(h-th)/4`
  return [
    ...['-hide_banner', '-nostdin', '-loglevel', 'error', '-re'],
    ...[
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=1280x720:rate=25',
      '-re',
      '-f',
      'lavfi',
      '-i',
      'sine=frequency=440:beep_factor=4:sample_rate=48000',
    ],
    ...['-vf', hasFont ? `${clock},format=yuv420p` : 'format=yuv420p'],
    ...[
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-tune',
      'zerolatency',
      '-g',
      '50',
      '-keyint_min',
      '50',
      '-sc_threshold',
      '0',
    ],
    ...['-b:v', '2500k', '-maxrate', '2500k', '-bufsize', '2500k', '-c:a', 'aac', '-b:a', '128k', '-ac', '2'],
    ...['-f', 'flv', url],
  ]
}

/** An encoder of our own that comes in by the front door, for those who have none at hand. Replaced when it dies. */
export class DemoPublisher implements Stoppable {
  readonly #options: DemoOptions
  readonly #clock: Clock
  readonly #logger: Logger
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #restart: Timer | undefined
  #stopped = false

  constructor(options: DemoOptions, clock: Clock, logger: Logger) {
    this.#options = options
    this.#clock = clock
    this.#logger = logger
    this.#start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#restart?.cancel()
    this.#child?.kill('SIGTERM')
    const timer = this.#clock.after(KILL_AFTER_MS, () => this.#child?.kill('SIGKILL'))
    await this.#exited
    timer.cancel()
  }

  #start(): void {
    const args = demoArguments(this.#options.url, this.#options.hasFont)
    const child = spawn(this.#options.ffmpegPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-1_000)
    })
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => {
        complaint = error.message
        resolve()
      })
      child.once('close', () => resolve())
    })
    void this.#exited.then(() => {
      if (this.#stopped) return
      // ffmpeg names the URL that it could not reach, and the URL holds the stream key.
      const told = complaint.trim().replaceAll(this.#options.url, 'rtmp://…')
      this.#logger.warn({ complaint: told }, 'demo publisher ended; it is started again')
      this.#restart = this.#clock.after(RESTART_DELAY_MS, () => this.#start())
    })
  }
}
