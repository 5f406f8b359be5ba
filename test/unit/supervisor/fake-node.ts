import type { Channel } from '../../../src/domain/channel.ts'
import type { Program } from '../../../src/domain/program.ts'
import type {
  ChannelIndex,
  ChannelRunner,
  EndpointRunner,
  Recorded,
  RunningChannel,
} from '../../../src/supervisor/ports.ts'

const recorded: Recorded = {
  tracks: [{ name: 'video', kind: 'video', codec: 'avc1.64001f', bitrate: 3_000_000 }],
  durationMs: 90_000,
}

/** A channel that a test looks at and makes fail. */
export class FakeChannel implements RunningChannel {
  readonly programs = new Set<string>()
  channel: Channel
  updates = 0
  isDown = false
  readonly #node: FakeNode
  readonly #onFailed: (error: unknown) => void
  readonly onIdle: () => void

  constructor(node: FakeNode, channel: Channel, onFailed: (error: unknown) => void, onIdle: () => void) {
    this.#node = node
    this.channel = channel
    this.#onFailed = onFailed
    this.onIdle = onIdle
  }

  update(channel: Channel): void {
    this.channel = channel
    this.updates++
  }

  async reset(): Promise<void> {
    this.#node.note(`reset ${this.channel.name}`)
    this.#node.throwIfPlanned('reset')
  }

  async startProgram(program: Program): Promise<void> {
    await this.#node.held('program')
    this.#node.throwIfPlanned('program')
    if (this.isDown) throw new Error('the channel is down')
    if (this.programs.has(program.id)) this.#node.breaches.push(`program ${program.id} was started twice`)
    this.programs.add(program.id)
    this.#node.note(`start program ${program.name}`)
  }

  updateProgram(program: Program): void {
    this.#node.note(`update program ${program.name}`)
  }

  async stopProgram(programId: string): Promise<Recorded> {
    this.#node.note('stop program')
    const was = this.programs.delete(programId)
    this.#node.throwIfPlanned('stop-program')
    return was ? recorded : { tracks: [], durationMs: 0 }
  }

  async stop(): Promise<void> {
    await this.#node.held('stop')
    this.isDown = true
    this.#node.running.delete(this.channel.id)
    this.#node.note(`stop ${this.channel.name}`)
    this.#node.throwIfPlanned('stop')
  }

  /** It ends by itself. */
  fail(error: unknown): void {
    this.isDown = true
    this.#node.running.delete(this.channel.id)
    this.#onFailed(error)
  }
}

/** What can be planned to fail or be held up. */
export type Step = 'start' | 'stop' | 'reset' | 'program' | 'stop-program' | 'endpoint'

/** A node that runs channels and endpoints in name only, and notices what must not be. */
export class FakeNode implements ChannelRunner, ChannelIndex {
  readonly running = new Map<string, FakeChannel>()
  readonly open = new Set<string>()
  readonly index = new Map<string, Channel>()
  /** What was done, in order. */
  readonly notes: string[] = []
  /** What must never happen. */
  readonly breaches: string[] = []
  starting = 0
  mostStarting = 0
  readonly #failures = new Map<Step, { error: unknown; times: number }>()
  readonly #holds = new Map<Step, PromiseWithResolvers<void>>()

  note(text: string): void {
    this.notes.push(text)
  }

  /** The next `times` of a step fail. */
  plan(step: Step, error: unknown, times = 1): void {
    this.#failures.set(step, { error, times })
  }

  /** All goes well again. */
  heal(): void {
    this.#failures.clear()
  }

  throwIfPlanned(step: Step): void {
    const planned = this.#failures.get(step)
    if (!planned || planned.times <= 0) return
    planned.times--
    throw planned.error
  }

  /** A step stands still until the function that is given is called. */
  hold(step: Step): () => void {
    const hold = this.#holds.get(step) ?? Promise.withResolvers<void>()
    this.#holds.set(step, hold)
    return () => {
      this.#holds.delete(step)
      hold.resolve()
    }
  }

  /** Nothing is held up any more. */
  release(): void {
    for (const hold of this.#holds.values()) hold.resolve()
    this.#holds.clear()
  }

  async held(step: Step, signal?: AbortSignal): Promise<void> {
    const hold = this.#holds.get(step)
    if (!hold) return
    const aborted = Promise.withResolvers<never>()
    signal?.addEventListener('abort', () => aborted.reject(signal.reason), { once: true })
    await Promise.race([hold.promise, aborted.promise])
  }

  put(channel: Channel): void {
    this.index.set(channel.id, channel)
  }

  remove(channelId: string): void {
    this.index.delete(channelId)
  }

  async start(
    channel: Channel,
    onFailed: (error: unknown) => void,
    onIdle: () => void,
    signal: AbortSignal,
  ): Promise<RunningChannel> {
    this.note(`start ${channel.name}`)
    this.mostStarting = Math.max(this.mostStarting, ++this.starting)
    try {
      await this.held('start', signal)
      this.throwIfPlanned('start')
    } finally {
      this.starting--
    }
    if (this.running.has(channel.id)) this.breaches.push(`channel ${channel.name} was started twice`)
    const started = new FakeChannel(this, channel, onFailed, onIdle)
    this.running.set(channel.id, started)
    return started
  }

  /** What opens and closes streaming endpoints here. */
  get endpoints(): EndpointRunner {
    return {
      start: async (endpoint) => {
        this.throwIfPlanned('endpoint')
        this.open.add(endpoint.id)
        this.note(`open ${endpoint.name}`)
      },
      scale: async (endpoint) => {
        this.throwIfPlanned('endpoint')
        this.note(`scale ${endpoint.name} to ${endpoint.scaleUnits}`)
      },
      stop: async (endpoint) => {
        this.throwIfPlanned('endpoint')
        this.open.delete(endpoint.id)
        this.note(`close ${endpoint.name}`)
      },
    }
  }
}
