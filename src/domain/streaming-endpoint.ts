import { z } from 'zod'
import { type Draft, envelope, labels, lastErrorSchema, operationIdSchema, owned } from './envelope.ts'
import { type Id, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { defineMachine } from './state-machine.ts'

/** The life of a streaming endpoint. */
export const streamingEndpointMachine = defineMachine({
  kind: 'streaming endpoint',
  states: ['Stopped', 'Starting', 'Running', 'Stopping'],
  initial: 'Stopped',
  operations: {
    start: { from: ['Stopped'], to: 'Starting' },
    stop: { from: ['Starting', 'Running'], to: 'Stopping' },
    update: { from: ['Stopped', 'Starting', 'Running', 'Stopping'], to: 'unchanged' },
  },
  outcomes: {
    Starting: { completed: 'Running', failed: 'Stopped' },
    Running: { failed: 'Starting' },
    Stopping: { completed: 'Stopped', failed: 'Stopped' },
  },
})

/** What may change of a streaming endpoint. */
export const streamingEndpointPatchSchema = patchOf(z.strictObject(labels)).meta({
  id: 'StreamingEndpointPatch',
  description: 'A merge patch of a streaming endpoint.',
  example: { description: 'Viewers in Europe' },
})

/** A streaming endpoint as it is stored and shown. */
export const streamingEndpointSchema = z
  .strictObject({
    ...envelope('streaming-endpoint'),
    ...owned,
    ...labels,
    isDefault: z.boolean().meta({ description: 'Made with the account.' }),
    state: z.enum(streamingEndpointMachine.states),
    desiredState: z.enum(['Running', 'Stopped']).meta({ description: 'What it is meant to be.' }),
    operationId: operationIdSchema,
    lastError: lastErrorSchema.optional(),
  })
  .meta({ id: 'StreamingEndpoint', description: 'Packages and serves what locators publish, while it is Running.' })

/** A streaming endpoint as it is stored and shown. */
export type StreamingEndpoint = z.output<typeof streamingEndpointSchema>

/** The streaming endpoint that an account is made with: Stopped, and meant to run. */
export function defaultStreamingEndpoint(accountId: Id<'account'>, random: RandomBytes): Draft<StreamingEndpoint> {
  return {
    id: newId('streaming-endpoint', random),
    accountId,
    name: 'default',
    tags: {},
    isDefault: true,
    state: streamingEndpointMachine.initial,
    desiredState: 'Running',
  }
}
