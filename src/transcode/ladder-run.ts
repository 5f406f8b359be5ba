import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { silentAac } from '../media/codecs/silence.ts'
import type { Sample } from '../media/media.ts'
import { ChildHealth, type HealthVerdict } from './child-health.ts'
import { buildFfmpegArguments } from './ffmpeg-argv.ts'
import { type ExitReport, FfmpegChild } from './ffmpeg-child.ts'
import { InputFeed } from './input-feed.ts'
import type { Ladder } from './ladder.ts'
import { type MediaFloors, OutputGate, type OutputListener } from './output-gate.ts'
import type { Progress } from './progress.ts'
import { planRenditions } from './rendition-plan.ts'
import type { SpawnPort } from './spawn-port.ts'
import { presentationMs, type StartDecision } from './start-gate.ts'

/** What one child needs beside its input. */
export type LadderRunOptions = {
  readonly ladder: Ladder
  readonly ffmpegPath: string
  readonly segmentGridSeconds: number
  readonly stallMs: number
  readonly lagBudgetMs: number
  readonly maxQueuedBytes: number
  readonly encoderThreads?: number | undefined
  /** Steps of load shed, as in `planRenditions`. */
  readonly savings: number
}

/** Who hears of one child. */
export type LadderRunListener = OutputListener & {
  /** What waited on the child's input has been taken. */
  drained(): void
  /** The child gave something that can't be read; it is of no use any more. */
  outputInvalid(problem: string): void
}

/** Beside its B-frames and look-ahead an encoder holds a frame for each of its threads, the muxer one. */
const HELD_FRAMES = 24

/** The life of one child: its process, what it is fed, what it gives. It never restarts. */
export class LadderRun {
  readonly #clock: Clock
  readonly #child: FfmpegChild
  readonly #feed: InputFeed
  readonly #health: ChildHealth
  readonly #start: StartDecision
  #progress: Progress | undefined
  #broken = false
  #audioEndMs = 0
  readonly preset: string | undefined

  constructor(
    start: StartDecision,
    options: LadderRunOptions,
    deps: { readonly clock: Clock; readonly spawn: SpawnPort; readonly floors: MediaFloors },
    listener: LadderRunListener,
  ) {
    const { ladder, segmentGridSeconds: gridSeconds, encoderThreads, savings } = options
    this.#clock = deps.clock
    this.#start = start
    const plan = planRenditions(ladder, start.video, { savings, gridSeconds })
    this.preset = plan.preset
    const renditions = [...plan.video, plan.audio]
    const heldFrames = HELD_FRAMES + ladder.bFrames + ladder.lookaheadFrames
    this.#health = new ChildHealth({ stallMs: options.stallMs, lagBudgetMs: options.lagBudgetMs, heldFrames })
    const gateOptions = { floors: deps.floors, maxHeldBytes: options.maxQueuedBytes, frameRate: start.video?.frameRate }
    const gate = new OutputGate(renditions, gateOptions, listener)
    const args = buildFfmpegArguments({
      ladder,
      renditions: plan,
      gridSeconds,
      firstPtsTicks: start.firstPtsTicks,
      ...(encoderThreads === undefined ? {} : { encoderThreads }),
    })
    this.#child = new FfmpegChild({ path: options.ffmpegPath, args, outputCount: renditions.length }, deps, {
      output: (index, chunk) => this.#read(gate, index, chunk, listener),
      progress: (progress) => {
        this.#progress = progress
      },
      drained: () => listener.drained(),
    })
    const audio = start.audio ?? silentAac(ladder.audio.sampleRateHz, ladder.audio.channels)
    this.#feed = new InputFeed({ video: start.video, audio }, start.firstPtsTicks, (bytes) => this.#child.write(bytes))
  }

  get exited(): Promise<ExitReport> {
    return this.#child.exited
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get queuedBytes(): number {
    return this.#child.queuedBytes
  }

  get hasVideo(): boolean {
    return this.#start.video !== undefined
  }

  /** It encodes the source's own sound, not silence. */
  get hasSourceAudio(): boolean {
    return this.#start.audio !== undefined
  }

  /** Where the sound that went in ends, in milliseconds of media time. */
  get audioEndMs(): number {
    return this.#audioEndMs
  }

  get lagMs(): number {
    return this.#health.lagMs
  }

  get producedMs(): number {
    return this.#health.producedMs
  }

  get progress(): Progress | undefined {
    return this.#progress
  }

  /** False where the sample isn't for this child. */
  write(kind: 'video' | 'audio', sample: Sample): boolean {
    const config = kind === 'video' ? this.#start.video : this.#start.audio
    if (!config || !this.#feed.write(kind, sample)) return false
    const ptsMs = presentationMs(sample, config)
    this.#health.inputWritten(kind, ptsMs, this.#clock.monotonicMs())
    if (config.kind === 'audio') {
      this.#audioEndMs = Math.max(this.#audioEndMs, ptsMs + (config.samplesPerFrame * 1000) / config.sampleRate)
    }
    return true
  }

  /** Judged by all that it has given so far. */
  verdict(): HealthVerdict {
    this.#child.poll()
    return this.#health.verdict(this.#clock.monotonicMs())
  }

  cpuSeconds(): number {
    return this.#child.cpuSeconds()
  }

  /** Lets the child give everything it holds, and end. */
  end(graceMs: number): Promise<ExitReport> {
    return this.#child.stop(graceMs)
  }

  kill(): Promise<ExitReport> {
    return this.#child.kill()
  }

  #read(gate: OutputGate, index: number, chunk: Uint8Array, listener: LadderRunListener): void {
    if (this.#broken) return
    try {
      const newest = gate.push(index, chunk)
      if (newest) this.#health.outputSeen(newest.kind, newest.ptsMs)
    } catch (problem) {
      this.#broken = true
      listener.outputInvalid(messageOf(problem))
    }
  }
}
