import { AppError } from '../lib/errors.ts'

/** From which states an operation is allowed, and what it leads to; `unchanged` where it is only a matter of being allowed. */
export type Move<S extends string> = { readonly from: readonly S[]; readonly to: S | 'unchanged' }

/** How what goes on in a state ends. */
export type Outcome = 'completed' | 'failed'

/** The life of a kind of entity, as data. */
export type Machine<S extends string = string, O extends string = string, I extends S = S> = {
  readonly kind: string
  readonly states: readonly [S, ...S[]]
  readonly initial: I
  /** What may be asked, by a client, a schedule or the part that does the work. */
  readonly operations: Readonly<Record<O, Move<S>>>
  /** Where a state leads by itself, once what it stands for is done or has failed. */
  readonly outcomes: { readonly [State in S]?: { readonly [End in Outcome]?: S } }
}

/** Declares a machine with its states and operations as literal types. */
export function defineMachine<const S extends string, const O extends string, const I extends S>(
  machine: Machine<S, O, I>,
): Machine<S, O, I> {
  return machine
}

function next<S extends string, O extends string>(machine: Machine<S, O>, state: S, operation: O | Outcome) {
  if (operation === 'completed' || operation === 'failed') return machine.outcomes[state]?.[operation as Outcome]
  const move = machine.operations[operation as O]
  if (!move.from.includes(state)) return undefined
  return move.to === 'unchanged' ? state : move.to
}

/** The operations that a state allows. */
export function allowedOperations<S extends string, O extends string>(machine: Machine<S, O>, state: S): O[] {
  return (Object.keys(machine.operations) as O[]).filter((operation) => next(machine, state, operation) !== undefined)
}

/**
 * The state that an operation, or the end of what was going on, leads to.
 *
 * @throws AppError `STATE_CONFLICT`; `details.state` is the state found, `details.allowed` what it allows instead.
 */
export function transition<S extends string, O extends string>(
  machine: Machine<S, O>,
  state: S,
  operation: O | Outcome,
): S {
  const to = next(machine, state, operation)
  if (to !== undefined) return to
  const allowed = allowedOperations(machine, state)
  throw new AppError('STATE_CONFLICT', `The ${machine.kind} is ${state}, which does not allow “${operation}”.`, {
    details: { kind: machine.kind, state, operation, allowed },
  })
}
