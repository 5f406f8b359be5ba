import type { RunningKind } from '../domain/lifecycle.ts'
import { SYSTEM_ACCOUNT } from '../domain/kinds.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock } from '../lib/clock.ts'
import type { ChangeSource } from '../supervisor/ports.ts'

/** What is looked at to see whether everything is up. */
export type StartUpPorts = {
  readonly repository: Pick<Repository, 'each' | 'findAnywhere'>
  readonly changes: ChangeSource
  readonly clock: Clock
}

const KINDS = ['channel', 'program', 'streaming-endpoint'] as const satisfies readonly RunningKind[]

/**
 * Resolves when everything that is meant to run does, or says why it can't; at the latest after `limitMs`. Gives how many
 * are still on their way. What encoders send before a program has begun is not in it.
 *
 * @throws AppError `STORE_DOWN`
 */
export async function whenUp({ repository, changes, clock }: StartUpPorts, limitMs: number): Promise<number> {
  const waiting = new Map<string, RunningKind>()
  const written = new Set<string>()
  let ring: () => void = () => undefined
  const endChanges = changes.onChange((list) => {
    for (const { id } of list) written.add(id)
    ring()
  })
  let isLate = false
  const timer = clock.after(limitMs, () => {
    isLate = true
    ring()
  })
  try {
    for await (const { id } of repository.each('account', { accountId: SYSTEM_ACCOUNT })) {
      for (const kind of KINDS) {
        for await (const entity of repository.each(kind, { accountId: id })) {
          if (isOnItsWay(entity)) waiting.set(entity.id, kind)
        }
      }
    }
    while (waiting.size > 0 && !isLate) {
      const looked = [...written].filter((id) => waiting.has(id))
      written.clear()
      if (looked.length === 0) await new Promise<void>((resolve) => (ring = resolve))
      for (const id of looked) {
        const kind = waiting.get(id)
        const entity = kind && (await repository.findAnywhere(kind, id))
        if (!entity || !isOnItsWay(entity)) waiting.delete(id)
      }
    }
    return waiting.size
  } finally {
    timer.cancel()
    endChanges()
  }
}

/** Meant to run, and neither there yet nor known to have failed. */
function isOnItsWay(entity: {
  readonly state: string
  readonly desiredState: string
  readonly lastError?: unknown
}): boolean {
  return entity.desiredState === 'Running' && entity.state !== 'Running' && entity.lastError === undefined
}
