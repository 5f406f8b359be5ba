import { PassThrough } from 'node:stream'
import { buildFragment } from '../../../src/media/cmaf/fragment.ts'
import { buildInitSegment } from '../../../src/media/cmaf/init-segment.ts'
import { FragmentedMp4Reader } from '../../../src/media/isobmff/fragmented-reader.ts'
import type { CodecConfig } from '../../../src/media/media.ts'
import type { ProcessEnd, SpawnPort } from '../../../src/transcode/spawn-port.ts'

export type FakeBehaviour = {
  /** Takes input and gives nothing. */
  silent?: boolean
  /** Leaves what is written to it in its pipe. */
  deaf?: boolean
  /** Gives a picture or a frame of sound only when `release` is called. */
  held?: boolean
  /** Gives only sound, or only pictures. */
  only?: 'video' | 'audio'
  /** Ignores the end of its input and SIGTERM. */
  stubborn?: boolean
  failToStart?: boolean
  garbage?: boolean
}

/** A child that gives back, on each rendition's pipe, the very samples it is fed. */
export class FakeFfmpeg {
  readonly args: readonly string[]
  readonly behaviour: FakeBehaviour
  readonly stdin = new PassThrough({ highWaterMark: 1 })
  readonly stderr = new PassThrough()
  readonly pipes: readonly PassThrough[]
  readonly signals: string[] = []
  readonly ended: Promise<ProcessEnd>
  readonly pid: number
  framesIn = 0
  #end!: (end: ProcessEnd) => void
  readonly #held: (() => void)[] = []
  #gone = false

  constructor(args: readonly string[], pipeCount: number, pid: number, behaviour: FakeBehaviour) {
    this.args = args
    this.behaviour = behaviour
    this.pid = pid
    this.pipes = Array.from({ length: pipeCount }, () => new PassThrough())
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    if (!behaviour.deaf) this.listen()
  }

  /** Begins to read its input. */
  listen(): void {
    const reader = new FragmentedMp4Reader()
    const configs = new Map<number, CodecConfig>()
    // A real child never answers within the call that writes to it.
    this.stdin.on('data', (chunk: Uint8Array) => setImmediate(() => this.#take(reader, configs, chunk)))
    this.stdin.on('end', () => {
      if (!this.behaviour.stubborn) setImmediate(() => this.exit({ code: 0, signal: null }))
    })
  }

  #take(reader: FragmentedMp4Reader, configs: Map<number, CodecConfig>, chunk: Uint8Array): void {
    if (this.#gone) return
    if (this.behaviour.garbage) this.pipes[1]?.write(Uint8Array.of(0, 0, 0, 4, 1, 2, 3, 4))
    for (const event of reader.push(chunk)) {
      if (event.type === 'init') for (const track of event.tracks) this.#init(configs, track.trackId, track.config)
      else if (this.behaviour.held) this.#held.push(() => this.#echo(configs.get(event.trackId), event))
      else this.#echo(configs.get(event.trackId), event)
    }
  }

  /** Gives the next `count` samples that are held. */
  release(count: number): void {
    for (const give of this.#held.splice(0, count)) if (!this.#gone) give()
  }

  #targets(kind: 'video' | 'audio'): readonly PassThrough[] {
    const { silent, only } = this.behaviour
    if (silent || (only && only !== kind)) return []
    return kind === 'audio' ? this.pipes.slice(-1) : this.pipes.slice(1, -1)
  }

  #init(configs: Map<number, CodecConfig>, trackId: number, config: CodecConfig): void {
    configs.set(trackId, config)
    for (const pipe of this.#targets(config.kind)) pipe.write(buildInitSegment([{ trackId: 1, config }]))
  }

  #echo(
    config: CodecConfig | undefined,
    event: {
      durationTicks: number
      sample: { dtsTicks: number; compositionTicks: number; independent: boolean; data: Uint8Array }
    },
  ): void {
    if (!config) return
    if (config.kind === 'video') this.framesIn++
    const { sample, durationTicks } = event
    const { bytes } = buildFragment({
      trackId: 1,
      sequenceNumber: 1,
      baseDecodeTicks: sample.dtsTicks,
      kind: config.kind,
      samples: [
        {
          durationTicks,
          compositionTicks: sample.compositionTicks,
          independent: sample.independent,
          data: sample.data,
        },
      ],
      opensSegment: false,
    })
    for (const pipe of this.#targets(config.kind)) pipe.write(bytes)
  }

  /** Dies, of its own will or somebody else's. */
  exit(end: ProcessEnd): void {
    if (this.#gone) return
    this.#gone = true
    for (const pipe of [this.stderr, ...this.pipes]) pipe.end()
    this.#end(end)
  }

  signalGroup(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.signals.push(signal)
    if (signal === 'SIGKILL') this.exit({ code: null, signal })
    else if (!this.behaviour.stubborn) this.exit({ code: 255, signal: null })
  }
}

/** Spawns fakes; `behave` says how the nth one (from 0) is to be. */
export class FakeSpawner {
  readonly children: FakeFfmpeg[] = []
  behave: (index: number) => FakeBehaviour = () => ({})

  readonly spawn: SpawnPort = (_path, args, pipeCount) => {
    const behaviour = this.behave(this.children.length)
    const child = new FakeFfmpeg(args, pipeCount, 1_000_000_000 + this.children.length, behaviour)
    this.children.push(child)
    if (behaviour.failToStart) child.exit({ code: null, signal: null, error: new Error('spawn ENOENT') })
    return child
  }

  get newest(): FakeFfmpeg {
    const child = this.children.at(-1)
    if (!child) throw new Error('no child was spawned')
    return child
  }
}

/** Lets streams and promises take their turns. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
}
