import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AppError } from '../../../src/lib/errors.ts'
import { Bench } from './bench.ts'
import type { Step } from './fake-node.ts'
import type { Fault } from './faulty-store.ts'

/** Each takes half a second; `LIVES=1000` looks longer. */
const LIVES = Number(process.env['LIVES'] ?? 25)

type Command =
  | {
      readonly do: 'start' | 'stop' | 'stop-and-remove' | 'reset' | 'delete' | 'rename' | 'fall-over'
      readonly channel: number
    }
  | { readonly do: 'create-program'; readonly channel: number }
  | { readonly do: 'start-program' | 'stop-program' | 'delete-program'; readonly program: number }
  | { readonly do: 'plan'; readonly step: Step; readonly times: number }
  | { readonly do: 'hold'; readonly step: Step }
  | { readonly do: 'crash' | 'pass' | 'quiet' | 'release' }
  | { readonly do: 'crash-at'; readonly call: number; readonly after: boolean }
  | { readonly do: 'fault'; readonly fault: Fault }

const channel = fc.nat({ max: 1 })
const program = fc.nat({ max: 3 })
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'start' as const,
        'start' as const,
        'stop' as const,
        'stop-and-remove' as const,
        'reset' as const,
      ),
      channel,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'rename' as const, 'fall-over' as const), channel }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('create-program' as const), channel }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'start-program' as const,
        'start-program' as const,
        'stop-program' as const,
        'delete-program' as const,
      ),
      program,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('plan' as const),
      step: fc.constantFrom<Step[]>('start', 'stop', 'reset', 'program', 'stop-program'),
      times: fc.integer({ min: 1, max: 2 }),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constantFrom<('crash' | 'pass' | 'quiet')[]>('crash', 'pass', 'pass', 'quiet', 'quiet', 'quiet'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('crash-at' as const),
      call: fc.integer({ min: 1, max: 12 }),
      after: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.constantFrom<Fault[]>('none', 'none', 'none', 'all', 'writes', 'writes-after', 'last-write'),
    }),
  },
)

/** What every life begins with: something that runs. */
const prelude: readonly Command[] = [
  { do: 'create-program', channel: 0 },
  { do: 'create-program', channel: 0 },
  { do: 'create-program', channel: 1 },
  { do: 'start', channel: 0 },
  { do: 'quiet' },
  { do: 'start-program', program: 1 },
]

/** What the API refuses in the state that it finds is an answer too. */
async function unlessRefused(call: Promise<unknown>): Promise<void> {
  const refused = ['STATE_CONFLICT', 'IN_USE', 'ENTITY_NOT_FOUND', 'QUOTA_EXCEEDED', 'REFERENCE_MISSING']
  await call.catch((error: unknown) => {
    if (!(error instanceof AppError) || !refused.includes(error.code)) throw error
  })
}

class Life {
  readonly bench: Bench
  readonly channels: string[]
  readonly programs: string[] = []
  readonly operations: string[] = []
  readonly breaches: string[] = []

  constructor(bench: Bench, channels: string[]) {
    this.bench = bench
    this.channels = channels
  }

  async take(next: Command): Promise<void> {
    await this.#carryOut(next)
    if (this.bench.process.isDead) await this.crash()
  }

  async crash(): Promise<void> {
    this.breaches.push(...this.bench.node.breaches)
    await this.bench.crash()
  }

  async #carryOut(next: Command): Promise<void> {
    const { bench } = this
    switch (next.do) {
      case 'crash':
        return this.crash()
      case 'crash-at':
        return bench.process.dieAt(next.call, next.after)
      case 'fault':
        bench.process.store.fault = next.fault
        return
      case 'plan':
        return bench.node.plan(next.step, new AppError('PART_UNRESPONSIVE', 'as planned'), next.times)
      case 'hold':
        bench.node.hold(next.step)
        return
      case 'release':
        return bench.node.release()
      case 'pass':
        return bench.pass(5_000)
      case 'quiet':
        return bench.quiet()
      case 'fall-over':
        return bench.node.running.get(this.#channel(next.channel))?.fail(new AppError('FFMPEG_CRASHED', 'it fell over'))
      default:
        return unlessRefused(this.#ask(next))
    }
  }

  async #ask(next: Command): Promise<void> {
    const { bench } = this
    if ('program' in next) {
      const id = this.programs[next.program % Math.max(1, this.programs.length)]
      if (id === undefined) return
      const calls = {
        'start-program': () => bench.startProgram(id),
        'stop-program': () => bench.stopProgram(id),
        'delete-program': () => bench.deleteProgram(id),
      }
      this.operations.push(await calls[next.do]())
    } else if ('channel' in next) {
      const id = this.#channel(next.channel)
      if (next.do === 'create-program') this.programs.unshift(await bench.createProgram(id))
      else if (next.do === 'rename') await bench.renameChannel(id, `renamed-${this.operations.length}-${Math.random()}`)
      else if (next.do === 'start') this.operations.push(await bench.startChannel(id))
      else if (next.do === 'reset') this.operations.push(await bench.resetChannel(id))
      else if (next.do === 'delete') this.operations.push(await bench.deleteChannel(id))
      else this.operations.push(await bench.stopChannel(id, next.do === 'stop-and-remove'))
    }
  }

  #channel(index: number): string {
    return this.channels[index % this.channels.length] ?? ''
  }

  /** Everything works again, and time passes. */
  async settle(): Promise<void> {
    const { bench } = this
    if (bench.process.isDead) await this.crash()
    bench.process.store.live()
    bench.process.store.fault = 'none'
    bench.node.heal()
    bench.node.release()
    for (let minute = 0; minute < 3; minute++) await bench.pass(60_000)
    this.breaches.push(...bench.node.breaches)
  }

  async check(): Promise<void> {
    const { bench } = this
    const channels = await bench.all('channel')
    for (const { name, state, desiredState, operationId } of channels) {
      expect([name, ['Running', 'Stopped'].includes(state), operationId]).toEqual([name, true, undefined])
      expect([name, state]).toEqual([name, desiredState])
    }
    const runs = channels.filter(({ state }) => state === 'Running').map(({ id }) => id)
    expect(new Set(bench.node.running.keys())).toEqual(new Set(runs))
    const programs = await bench.all('program')
    for (const { state, desiredState } of programs) expect(state).toBe(desiredState)
    const live = [...bench.node.running.values()].flatMap(({ programs: ids }) => [...ids])
    const recording = programs.filter(({ state }) => state === 'Running')
    expect(new Set(live)).toEqual(new Set(recording.map(({ id }) => id)))
    const assets = (await bench.all('asset')).filter(({ state }) => state === 'Recording').map(({ id }) => id)
    expect(new Set(assets)).toEqual(new Set(recording.map(({ assetId }) => assetId)))
    const operations = await bench.all('operation')
    expect(operations.filter(({ state }) => state !== 'succeeded' && state !== 'failed')).toEqual([])
    expect(operations).toHaveLength(this.operations.length)
    expect(new Set(bench.node.index.keys())).toEqual(new Set(channels.map(({ id }) => id)))
    expect(this.breaches).toEqual([])
  }
}

it(
  'whatever is asked, fails and crashes: what is and what is stored agree in the end, and every operation has ended',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 40, size: 'max' }), async (commands) => {
        const bench = await Bench.open()
        try {
          await bench.start()
          const life = new Life(bench, [await bench.createChannel(), await bench.createChannel()])
          for (const next of prelude) await life.take(next)
          for (const next of commands) await life.take(next)
          await life.settle()
          await life.check()
        } finally {
          await bench.close()
        }
      }),
      { numRuns: LIVES, timeout: 20_000 },
    )
  },
  60_000 + LIVES * 2_000,
)
