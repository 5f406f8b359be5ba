import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { Clock, Timer } from '../lib/clock.ts'
import { PolledPipes } from './polled-pipes.ts'
import { type Progress, ProgressReader } from './progress.ts'
import type { ProcessEnd, SpawnedProcess, SpawnPort } from './spawn-port.ts'
import { StderrTail } from './stderr-tail.ts'

/** How a child ended; exactly one for each child. `stopped` only where it was asked to and went in peace. */
export type ExitReport = {
  readonly outcome: 'stopped' | 'spawn-failed' | 'crashed'
  readonly code: number | null
  readonly signal: string | null
  /** The last lines it wrote, oldest first; for `spawn-failed` what the system said. */
  readonly stderrTail: readonly string[]
}

/** What to run, and how many renditions it gives. */
export type FfmpegChildOptions = {
  readonly path: string
  readonly args: readonly string[]
  /** How many renditions' pipes it writes, from descriptor 4 on; 3 is its progress. */
  readonly outputCount: number
}

/** Who reads a child. Calls come in the order of the bytes on each pipe. */
export type FfmpegChildListener = {
  /** Bytes of one rendition's pipe. */
  output(index: number, chunk: Uint8Array): void
  progress(progress: Progress): void
  /** The bytes waiting on standard input have fallen to nothing. */
  drained(): void
}

/** A turn of input that stays away is not waited for longer than this before the output is looked at again. */
const LONGEST_POLL_MS = 100
/** How long the pipes of a process that is gone may take to end. */
const PIPES_END_MS = 2000
/** `_SC_CLK_TCK`, which Linux fixes at 100 for what it shows to programs. */
const TICKS_PER_SECOND = 100

function finished(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) return resolve()
    stream.once('end', resolve)
    stream.once('close', resolve)
    stream.once('error', () => resolve())
  })
}

/** One ffmpeg process: fed on its standard input, read on one pipe for each rendition. Restarting is its owner's affair. */
export class FfmpegChild {
  readonly #clock: Clock
  readonly #process: SpawnedProcess
  readonly #stderr = new StderrTail()
  readonly #outputs: PolledPipes
  #isTurnDue = false
  #isFlowing = false
  #nextPoll: Timer | undefined
  #asked = false
  #terminated = false
  #stopping: Promise<ExitReport> | undefined
  #cpuSeconds = 0
  #gone = false

  /** Resolves, never rejects, when the process is reaped and its pipes are read to their end. */
  readonly exited: Promise<ExitReport>

  constructor(options: FfmpegChildOptions, deps: { clock: Clock; spawn: SpawnPort }, listener: FfmpegChildListener) {
    this.#clock = deps.clock
    this.#process = deps.spawn(options.path, options.args, options.outputCount + 1)
    const { stdin, stderr, pipes } = this.#process
    stdin.on('error', () => undefined) // EPIPE: the exit report says what there is to say
    stdin.on('drain', () => listener.drained())
    stderr.on('data', (chunk: Uint8Array) => this.#stderr.push(chunk, deps.clock.monotonicMs()))
    stderr.on('error', () => undefined)
    const reader = new ProgressReader()
    for (const pipe of pipes) pipe.on('error', () => undefined)
    pipes[0]?.on('data', (chunk: Uint8Array) => {
      for (const progress of reader.push(chunk)) listener.progress(progress)
    })
    this.#outputs = new PolledPipes(pipes.slice(1), (index, chunk) => listener.output(index, chunk))
    void this.#process.ended.then(() => this.#flow())
    const pipesEnded = Promise.all([stderr, ...pipes].map(finished))
    this.exited = this.#process.ended.then((end) => this.#report(end, pipesEnded))
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Bytes given to `write` that the process hasn't taken yet. */
  get queuedBytes(): number {
    return this.#process.stdin.writableLength
  }

  /**
   * Whole bytes of input; the caller keeps `queuedBytes` within its budget. What is written in one go, such as all that
   * one reading of a socket brought, goes out together, and what the renditions' pipes hold is read then. Nothing happens once the input is closed.
   */
  write(bytes: Uint8Array): void {
    const { stdin } = this.#process
    if (stdin.writableEnded || stdin.destroyed) return
    if (!this.#isTurnDue) {
      this.#isTurnDue = true
      stdin.cork()
      queueMicrotask(() => this.#turn())
    }
    stdin.write(bytes)
  }

  /** Reads what the renditions' pipes hold, unless that is done with the next input or in a moment anyway. */
  poll(): void {
    if (!this.#nextPoll && !this.#isTurnDue) this.#poll()
  }

  #poll(): void {
    this.#nextPoll?.cancel()
    this.#nextPoll = undefined
    if (this.#isFlowing) return
    const { bytes, wasFull } = this.#outputs.poll()
    if (this.#isFlowing) return
    if (bytes > 0) this.#nextPoll = this.#clock.after(wasFull ? 0 : LONGEST_POLL_MS, () => this.#poll())
  }

  #turn(): void {
    this.#isTurnDue = false
    this.#process.stdin.uncork()
    this.#poll()
  }

  /** It ends, or has ended: what it still gives is read as it comes. */
  #flow(): void {
    this.#isFlowing = true
    this.#nextPoll?.cancel()
    this.#outputs.flow()
  }

  /** Processor time it has used, in seconds, where the system tells (`/proc`); 0 elsewhere. The last known once it is gone. */
  cpuSeconds(): number {
    if (this.#gone || this.pid === undefined) return this.#cpuSeconds
    try {
      // The name in parentheses may hold anything, so the fields are counted from behind it (proc(5)).
      const text = readFileSync(`/proc/${this.pid}/stat`, 'latin1')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      const ticks = Number(fields[11]) + Number(fields[12])
      if (Number.isFinite(ticks)) this.#cpuSeconds = ticks / TICKS_PER_SECOND
    } catch {
      // Not Linux, or it ended this very moment.
    }
    return this.#cpuSeconds
  }

  /**
   * Closes the input and reads on until the process has given all it holds and is gone; after `graceMs` asks it to end,
   * and after as much again kills its group. Calling it twice gives the same promise.
   */
  stop(graceMs: number): Promise<ExitReport> {
    this.#asked = true
    this.#stopping ??= this.#stopWithin(graceMs)
    return this.#stopping
  }

  /** Kills the process group at once: a stalled child is deaf to anything else. Its report says `crashed`. */
  kill(): Promise<ExitReport> {
    this.#process.signalGroup('SIGKILL')
    return this.exited
  }

  async #stopWithin(graceMs: number): Promise<ExitReport> {
    this.#flow()
    this.#process.stdin.end()
    const ask = this.#clock.after(graceMs, () => {
      this.#terminated = true
      this.#process.signalGroup('SIGTERM')
    })
    const force = this.#clock.after(2 * graceMs, () => void this.kill())
    try {
      return await this.exited
    } finally {
      ask.cancel()
      force.cancel()
    }
  }

  async #report(end: ProcessEnd, pipesEnded: Promise<unknown>): Promise<ExitReport> {
    this.cpuSeconds()
    this.#gone = true
    const { code, signal, error } = end
    this.#process.stdin.destroy()
    if (error) {
      this.#closePipes()
      return { outcome: 'spawn-failed', code, signal, stderrTail: [error.message] }
    }
    const late = this.#clock.after(PIPES_END_MS, () => this.#closePipes())
    await pipesEnded
    late.cancel()
    // After SIGTERM ffmpeg ends its files and exits with 255.
    const inPeace = this.#asked && (code === 0 || (this.#terminated && signal !== 'SIGKILL'))
    return { outcome: inPeace ? 'stopped' : 'crashed', code, signal, stderrTail: this.#stderr.lines() }
  }

  #closePipes(): void {
    this.#process.stderr.destroy()
    for (const pipe of this.#process.pipes) pipe.destroy()
  }
}
