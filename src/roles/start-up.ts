import type { Channel } from '../domain/channel.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Program } from '../domain/program.ts'
import type { Repository } from '../domain/repository.ts'
import type { StreamingEndpoint } from '../domain/streaming-endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { ChangeSource } from '../supervisor/ports.ts'

/** What is looked at to see whether everything is up. */
export type StartUpPorts = {
  readonly repository: Pick<Repository, 'each' | 'findAnywhere'>
  readonly changes: ChangeSource
  readonly clock: Clock
  /** Whether it is up on this node, whatever the store says. */
  readonly isUp: {
    channel(channel: Pick<Channel, 'id'>): boolean
    program(program: Pick<Program, 'assetId'>): boolean
    endpoint(endpoint: Pick<StreamingEndpoint, 'id' | 'accountId'>): boolean
  }
}

type Awaited = {
  readonly kind: 'channel' | 'program' | 'streaming-endpoint'
  readonly id: string
  /** Without it, this one can't. */
  readonly needs?: string
  isUp(): boolean
}

/**
 * Resolves when every channel, program and endpoint that is meant to run does so on this node, or says why it can't; at the latest
 * after `limitMs`. Gives how many are still on their way. What encoders send before a program has begun is not in it.
 *
 * @throws AppError `STORE_DOWN`
 */
export async function whenUp(ports: StartUpPorts, limitMs: number): Promise<number> {
  const { changes, clock } = ports
  const written = new Set<string>()
  let ring: () => void = () => undefined
  let isLate = false
  const endChanges = changes.onChange((list) => {
    for (const { id } of list) written.add(id)
    ring()
  })
  const timer = clock.after(limitMs, () => {
    isLate = true
    ring()
  })
  try {
    let waiting = await allMeantToRun(ports)
    for (;;) {
      const failed = await failedOf(waiting, written, ports)
      waiting = waiting.filter(({ id, needs = id, isUp }) => !isUp() && !failed.has(id) && !failed.has(needs))
      if (waiting.length === 0 || isLate) return waiting.length
      if (written.size > 0) continue
      await new Promise<void>((resolve) => {
        ring = resolve
      })
    }
  } finally {
    timer.cancel()
    endChanges()
  }
}

async function allMeantToRun({ repository, isUp }: StartUpPorts): Promise<Awaited[]> {
  const found: Awaited[] = []
  for await (const account of repository.each('account', { accountId: SYSTEM_ACCOUNT })) {
    const query = { accountId: account.id }
    for await (const endpoint of repository.each('streaming-endpoint', query)) {
      if (!mayCome(endpoint)) continue
      found.push({ kind: 'streaming-endpoint', id: endpoint.id, isUp: () => isUp.endpoint(endpoint) })
    }
    for await (const channel of repository.each('channel', query)) {
      if (!mayCome(channel)) continue
      found.push({ kind: 'channel', id: channel.id, isUp: () => isUp.channel(channel) })
      // Those of other channels wait for them to run, for as long as it takes.
      const onIt = { ...query, reference: { relation: 'channel', id: channel.id } }
      for await (const program of repository.each('program', onIt)) {
        if (!mayCome(program)) continue
        found.push({ kind: 'program', id: program.id, needs: channel.id, isUp: () => isUp.program(program) })
      }
    }
  }
  return found
}

function mayCome(entity: Pick<Channel, 'desiredState' | 'lastError'>): boolean {
  return entity.desiredState === 'Running' && entity.lastError === undefined
}

/** Of what was written: what does not want to run any more, or can't. */
async function failedOf(
  waiting: readonly Awaited[],
  written: Set<string>,
  { repository }: StartUpPorts,
): Promise<ReadonlySet<string>> {
  const failed = new Set<string>()
  const looked = waiting.filter(({ id }) => written.has(id))
  written.clear()
  for (const { kind, id } of looked) {
    const entity = await repository.findAnywhere(kind, id)
    if (!entity || !mayCome(entity)) failed.add(id)
  }
  return failed
}
