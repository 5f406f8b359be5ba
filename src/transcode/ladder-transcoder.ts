import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { AudioConfig, CodecConfig, Sample, VideoConfig } from '../media/media.ts'
import { sameConfig } from '../media/same-config.ts'
import { Closings } from './closings.ts'
import { DropCounter } from './drop-counter.ts'
import type { ExitReport } from './ffmpeg-child.ts'
import { InputValve } from './input-valve.ts'
import { LadderRun } from './ladder-run.ts'
import { MediaFloors } from './output-gate.ts'
import { costSteps } from './rendition-plan.ts'
import { RestartLedger } from './restart-ledger.ts'
import { RestartPolicy } from './restart-policy.ts'
import { SoundWatch } from './sound-watch.ts'
import { type SpawnPort, spawnProcess } from './spawn-port.ts'
import { presentationMs, type StartDecision, StartGate } from './start-gate.ts'
import type { RestartReason, TranscodeSink } from './transcode-sink.ts'
import type { LadderTranscoderOptions } from './transcoder-options.ts'

type Deps = { readonly clock: Clock; readonly logger: Logger; readonly spawn?: SpawnPort }

/**
 * - `gating`: no child; the gate gathers what the next one begins with.
 * - `running`: a child is fed.
 * - `closing`: a child gives its last and nothing else runs; the gate gathers.
 * - `backoff`: children kept dying; input is dropped until the wait is over.
 */
type Phase = 'gating' | 'running' | 'closing' | 'backoff' | 'stopped'

const TICK_MS = 250
const TICKS_PER_STATS = 4
/** A child that gave this much media was a working one: its death isn't part of a row of failures. */
const PRODUCTIVE_MS = 1000

/**
 * Encodes one input into a ladder with one ffmpeg child at a time, and replaces the child when it dies, stalls, falls
 * behind or no longer suits the input; always from an independent picture on. Load once shed (a cheaper preset, then the top
 * rungs) stays shed until the input ends. Nothing thrown leaves it: what happens is told to the sink.
 */
export class LadderTranscoder {
  readonly #options: LadderTranscoderOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #spawn: SpawnPort
  readonly #sink: TranscodeSink
  readonly #gate: StartGate
  readonly #policy: RestartPolicy
  readonly #ledger: RestartLedger
  readonly #drops = new DropCounter()
  readonly #valve: InputValve
  readonly #floors = new MediaFloors()
  readonly #sound = new SoundWatch()
  readonly #closings = new Closings()
  readonly #ticker: Timer
  #phase: Phase = 'gating'
  #video: VideoConfig | undefined
  #audio: AudioConfig | undefined
  #run: LadderRun | undefined
  #backoff: Timer | undefined
  #stopped: Promise<void> | undefined
  /** The child is to be replaced at the next IDR, for this reason. */
  #replaceFor: RestartReason | undefined
  #savings = 0
  #ticks = 0

  constructor(options: LadderTranscoderOptions, deps: Deps, sink: TranscodeSink) {
    this.#options = options
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#spawn = deps.spawn ?? spawnProcess
    this.#sink = sink
    this.#gate = new StartGate({ audioWaitMs: options.startAudioWaitMs, maxBytes: options.maxQueuedBytes })
    this.#policy = new RestartPolicy(options.restart)
    this.#ledger = new RestartLedger(deps.logger)
    this.#valve = new InputValve(options, deps.clock, this.#drops)
    this.#ticker = deps.clock.every(TICK_MS, () => this.#tick())
  }

  /** Before the first sample of its kind, and again when it changes: the child is then replaced at the next IDR. */
  configure(config: CodecConfig): void {
    const known = config.kind === 'video' ? this.#video : this.#audio
    if (this.#phase === 'stopped' || sameConfig(known, config)) return
    if (config.kind === 'video') this.#video = config
    else this.#audio = config
    if (config.kind === 'audio') this.#sound.configured()
    if (known !== undefined) this.#drops.add(this.#gate.reset(), 'child-restart')
    const run = this.#run
    if (!run) return
    const concerned = config.kind === 'video' ? run.hasVideo : run.hasSourceAudio
    if (!concerned) return
    this.#replaceFor = 'config-changed'
    if (config.kind === 'video') this.#valve.awaitIdr('child-restart')
    else if (!run.hasVideo) this.#replace()
  }

  /**
   * One sample on the epoch timeline, in decoding order of its kind. Where a promise is given, no more should be written
   * until it resolves: when there is room again, or after the lag budget, from when on input is dropped to the next IDR.
   */
  write(kind: 'video' | 'audio', sample: Sample): Promise<void> | undefined {
    const config = kind === 'video' ? this.#video : this.#audio
    if (this.#phase === 'stopped') return undefined
    if (!config) this.#drops.add(1, 'no-config')
    else if (this.#phase === 'backoff') this.#drops.add(1, 'backing-off')
    else if (kind === 'audio' && this.#sound.isMuted) return undefined
    else if (this.#run) return this.#writeTo(this.#run, kind, sample, config)
    else {
      this.#hold(kind, sample, config)
      this.#startIfReady()
    }
    return undefined
  }

  /**
   * The input is gone: everything that went in comes out before this resolves. What is written meanwhile belongs to the
   * next input, which begins with a child, and with the full ladder, of its own.
   */
  inputEnded(): Promise<void> {
    if (this.#phase === 'stopped') return this.#closings.settled
    const left = this.#decide(true)
    this.#drops.add(this.#gate.reset(), 'before-first-picture')
    const run = this.#detach()
    this.#replaceFor = undefined
    this.#sound.inputEnded()
    return this.#close(async () => {
      if (run) this.#ledger.ended(run, await run.end(this.#options.stopGraceMs))
      if (left) {
        const last = this.#open(left)
        this.#ledger.ended(last, await last.end(this.#options.stopGraceMs))
      }
      this.#ledger.forget()
      this.#sound.forget()
      this.#savings = 0
      this.#flushDrops()
    })
  }

  /** Lets the child give what it holds and ends it. Calling it twice gives the same promise. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopOnce()
    return this.#stopped
  }

  async #stopOnce(): Promise<void> {
    const ended = this.inputEnded()
    this.#phase = 'stopped'
    this.#ticker.cancel()
    await ended
  }

  /** What a child can begin with, if it can; `force`: with what there is. */
  #decide(force: boolean): StartDecision | undefined {
    const configs = { video: this.#video, audio: this.#audio }
    return this.#gate.decide(configs, this.#clock.monotonicMs(), { force, ...this.#sound.terms })
  }

  #hold(kind: 'video' | 'audio', sample: Sample, config: CodecConfig): void {
    const reason =
      this.#ledger.isAnnouncementDue || this.#phase === 'closing' ? 'child-restart' : 'before-first-picture'
    this.#drops.add(this.#gate.push(kind, sample, config, this.#clock.monotonicMs()), reason)
  }

  #writeTo(run: LadderRun, kind: 'video' | 'audio', sample: Sample, config: CodecConfig): Promise<void> | undefined {
    if (kind === 'video') {
      if (!run.hasVideo) this.#replaceFor ??= 'video-arrived'
      if (sample.independent && this.#replaceFor) {
        this.#replace()
        this.#hold(kind, sample, config)
        return undefined
      }
    } else if (!run.hasSourceAudio || this.#replaceFor === 'config-changed') {
      // It can't go into this child: the next one begins with it.
      if (!run.hasSourceAudio) this.#replaceFor ??= 'audio-arrived'
      this.#hold(kind, sample, config)
      return undefined
    } else if (this.#replaceFor === 'audio-lost') {
      this.#replaceFor = undefined
    }
    if (!this.#valve.admits(kind, sample)) return undefined
    if (kind === 'video') this.#sound.pictured(presentationMs(sample, config))
    if (!run.write(kind, sample)) this.#drops.add(1, 'before-first-picture')
    return this.#valve.afterWrite(run, () => this.#shedLoad())
  }

  #startIfReady(): void {
    if (this.#phase !== 'gating') return
    const start = this.#decide(false)
    if (!start) return
    const run = this.#open(start)
    this.#run = run
    this.#phase = 'running'
    void run.exited.then((exit) => {
      if (this.#run === run) this.#lost(run, exit.outcome === 'spawn-failed' ? 'spawn-failed' : 'crashed')
    })
  }

  /** Starts a child and feeds it what it begins with. */
  #open(start: StartDecision): LadderRun {
    const run = new LadderRun(
      start,
      { ...this.#options, savings: this.#savings },
      { clock: this.#clock, spawn: this.#spawn, floors: this.#floors },
      {
        renditions: (list) => {
          const restart = this.#ledger.announce(run, this.#savings)
          if (restart) this.#sink.restarted(restart)
          this.#sink.renditions(list)
        },
        sample: (rendition, sample, durationTicks) => this.#sink.sample(rendition, sample, durationTicks),
        drained: () => {
          if (this.#run === run) this.#valve.review(run)
        },
        outputInvalid: (problem) => {
          this.#logger.error({ problem }, 'ffmpeg gave what is not fragmented MP4')
          if (this.#run === run) this.#lost(run, 'output-invalid')
        },
      },
    )
    this.#logger.info({ pid: run.pid, preset: run.preset, silence: !run.hasSourceAudio }, 'ffmpeg started')
    for (const { kind, sample } of start.items) {
      if (!run.write(kind, sample)) this.#drops.add(1, 'before-first-picture')
    }
    return run
  }

  /** The current child is no longer the one that is fed. */
  #detach(): LadderRun | undefined {
    const run = this.#run
    this.#run = undefined
    this.#backoff?.cancel()
    this.#backoff = undefined
    this.#valve.reset()
    return run
  }

  /** Runs `work` after everything that closes already, with nothing started meanwhile. */
  #close(work: () => Promise<void>): Promise<void> {
    this.#phase = 'closing'
    return this.#closings.run(work, () => {
      if (this.#phase !== 'closing') return
      this.#phase = 'gating'
      this.#startIfReady()
    })
  }

  /** In peace: the child gives all it holds, and the next begins with what the gate gathers from now on. */
  #replace(): void {
    const run = this.#detach()
    const reason = this.#replaceFor ?? 'config-changed'
    this.#replaceFor = undefined
    if (!run) return
    this.#sound.handOver(run, reason === 'audio-lost')
    void this.#close(async () => {
      this.#ledger.replaced(run, reason, await run.end(this.#options.stopGraceMs))
    })
  }

  /** The child died or has to: what it gave whole is delivered, and the next begins with the next IDR. */
  #lost(run: LadderRun, reason: RestartReason): void {
    this.#detach()
    this.#replaceFor = undefined
    this.#sound.breakOff(run)
    this.#drops.add(this.#gate.reset(), 'child-restart')
    void this.#close(async () => {
      const exit = await run.kill()
      this.#ledger.replaced(run, reason, exit)
      const waitMs =
        reason === 'fell-behind' ? 0 : this.#policy.died(this.#clock.monotonicMs(), run.producedMs >= PRODUCTIVE_MS)
      if (waitMs > 0 && this.#phase === 'closing') this.#backOff(reason, exit, waitMs)
    })
  }

  #backOff(reason: RestartReason, exit: ExitReport, retryMs: number): void {
    const { deaths } = this.#policy
    this.#drops.add(this.#gate.reset(), 'backing-off')
    this.#phase = 'backoff'
    this.#backoff = this.#clock.after(retryMs, () => {
      this.#backoff = undefined
      this.#phase = 'gating'
    })
    this.#sink.failing({ reason, exit, deaths, retryMs })
  }

  /** One step cheaper with the next child; where nothing is left to save, input is skipped until the child has caught up. */
  #shedLoad(): void {
    const run = this.#run
    if (!run) return
    if (this.#video && run.hasVideo && this.#savings < costSteps(this.#options.ladder, this.#video)) {
      this.#savings++
      this.#lost(run, 'fell-behind')
    } else {
      this.#valve.shut('fell-behind')
    }
  }

  #tick(): void {
    this.#flushDrops()
    const run = this.#run
    if (!run) {
      this.#startIfReady()
      return
    }
    this.#valve.review(run)
    this.#judge(run)
    if (this.#run === run && ++this.#ticks % TICKS_PER_STATS === 0) {
      this.#sink.stats(this.#ledger.stats(run, this.#savings))
    }
  }

  #judge(run: LadderRun): void {
    const verdict = run.verdict()
    if (verdict === 'stalled') this.#lost(run, 'stalled')
    else if (verdict === 'behind') this.#shedLoad()
    else if (run.hasVideo && run.hasSourceAudio) {
      if (this.#sound.hasLost(run, verdict === 'audio-silent')) this.#replaceFor ??= 'audio-lost'
    }
  }

  #flushDrops(): void {
    this.#drops.flush((frames, reason) => this.#sink.dropped(frames, reason))
  }
}
