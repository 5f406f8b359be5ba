import { z } from 'zod'
import { type Draft, envelope, ownedOrSystem } from './envelope.ts'
import { newId, type RandomBytes } from './kinds.ts'
import { type Problem, problemSchema } from './problem.ts'
import { formatTimestamp, timestampSchema } from './scalars.ts'
import { defineMachine, transition } from './state-machine.ts'
import { subjectSchema } from './subject.ts'

/** The life of a long-running operation. After a crash it is taken up again from the start. */
export const operationMachine = defineMachine({
  kind: 'operation',
  states: ['pending', 'running', 'succeeded', 'failed'],
  initial: 'pending',
  operations: { run: { from: ['pending'], to: 'running' } },
  outcomes: {
    pending: { failed: 'failed' },
    running: { completed: 'succeeded', failed: 'failed' },
  },
})

/** Something that takes a while: what a 202 points at. */
export const operationSchema = z
  .strictObject({
    ...envelope('operation'),
    ...ownedOrSystem,
    action: z.string().max(64).meta({ description: 'What is done.', example: 'channel.start' }),
    subject: subjectSchema,
    state: z.enum(operationMachine.states),
    completedAt: timestampSchema.optional(),
    error: problemSchema.optional().meta({ description: 'Why it failed.' }),
  })
  .meta({ id: 'Operation', description: 'Something that takes a while. Poll it, or await it with ?wait=30s.' })

/** An operation as it is stored and shown. */
export type Operation = z.output<typeof operationSchema>

/** A new operation, pending. */
export function newOperation(
  action: string,
  subject: Operation['subject'],
  accountId: Operation['accountId'],
  random: RandomBytes,
): Draft<Operation> {
  return { id: newId('operation', random), accountId, action, subject, state: operationMachine.initial }
}

/** An operation that has ended: with a problem it has failed. @throws AppError `STATE_CONFLICT` where it had ended before. */
export function endOperation<T extends Pick<Operation, 'state'>>(
  operation: T,
  nowMs: number,
  error?: Problem,
): T & Pick<Operation, 'state' | 'completedAt' | 'error'> {
  const state = transition(operationMachine, operation.state, error ? 'failed' : 'completed')
  return { ...operation, state, completedAt: formatTimestamp(nowMs), ...(error && { error }) }
}

/** Whether there is nothing more to wait for. */
export function isOperationDone(operation: Pick<Operation, 'state'>): boolean {
  return operation.state === 'succeeded' || operation.state === 'failed'
}
