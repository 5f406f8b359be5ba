import type { Program } from '../domain/program.ts'

/** A step of the machine's clock is noticed within this time. */
const LONGEST_WAIT_MS = 60_000

/** How long until the program's schedule may ask for something; undefined where it won't. See `dueOperation`. */
export function untilScheduled(
  program: Pick<Program, 'state' | 'startAt' | 'stopAt' | 'startedAt'>,
  nowMs: number,
): number | undefined {
  const isActive = program.state === 'Starting' || program.state === 'Running'
  const next = isActive ? program.stopAt : program.state === 'Stopped' ? program.startAt : undefined
  if (next === undefined) return undefined
  const nextMs = Date.parse(next)
  return nextMs > nowMs ? Math.min(nextMs - nowMs, LONGEST_WAIT_MS) : undefined
}
