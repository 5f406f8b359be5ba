import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { buildFfmpegArguments } from '../src/transcode/ffmpeg-argv.ts'
import type { Ladder } from '../src/transcode/ladder.ts'
import { planRenditions } from '../src/transcode/rendition-plan.ts'

export type BareFfmpegOptions = {
  readonly ladder: Ladder
  readonly source: { readonly width: number; readonly height: number }
  readonly gridSeconds: number
  /** Fragmented MP4. */
  readonly file: string
}

/**
 * The arguments of Headend's own child, but for `-re`: reading a file where the child reads a live stream, it keeps to
 * the stream's pace by itself.
 */
export function bareArguments({ ladder, source, gridSeconds }: Omit<BareFfmpegOptions, 'file'>): string[] {
  const renditions = planRenditions(ladder, source, { savings: 0, gridSeconds })
  const args = buildFfmpegArguments({ ladder, renditions, gridSeconds, firstPtsTicks: 0 })
  return args.toSpliced(args.indexOf('-i'), 0, '-re')
}

function pipeOf(argument: string): number | undefined {
  const [, fd] = /^pipe:(\d+)$/.exec(argument) ?? []
  return fd === undefined ? undefined : Number(fd)
}

/** ffmpeg alone making the ladder, its renditions thrown away by the system. */
export class BareFfmpeg {
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  #progress = ''
  #complaints = ''

  constructor(options: BareFfmpegOptions) {
    const args = bareArguments(options)
    const pipes = args.map(pipeOf).filter((fd) => fd !== undefined)
    const progressFd = pipeOf(args[args.indexOf('-progress') + 1] ?? '') ?? 2
    const input = openSync(options.file, 'r')
    const nowhere = openSync('/dev/null', 'w')
    const stdio = Array.from({ length: Math.max(...pipes) + 1 }, () => nowhere as number | 'pipe')
    stdio[0] = input
    stdio[2] = stdio[progressFd] = 'pipe'
    this.#process = spawn('ffmpeg', args, { stdio })
    closeSync(input)
    closeSync(nowhere)
    this.#exited = new Promise((resolve) => this.#process.once('close', () => resolve()))
    const progress = this.#process.stdio[progressFd] as Readable
    progress.on('data', (chunk: Buffer) => {
      this.#progress = chunk.toString()
    })
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#complaints = `${this.#complaints}${chunk.toString()}`.slice(-1_000)
    })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** How fast it encodes; 1 is real time. */
  get speed(): number {
    return Number(/^speed=\s*([\d.]+)x/m.exec(this.#progress)?.[1] ?? 0)
  }

  /** What it wrote on its standard error. */
  get complaints(): string {
    return this.#complaints
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
  }
}
