import { z } from 'zod'
import { envelope, lastErrorSchema, owned } from './envelope.ts'
import { jobMachine, progressSchema, taskSettings } from './job.ts'
import { idSchema } from './kinds.ts'
import { timestampSchema } from './scalars.ts'

/** A step of a job, made with it. It moves as `jobMachine` says. */
export const taskSchema = z
  .strictObject({
    ...envelope('task'),
    ...owned,
    ...taskSettings,
    jobId: idSchema('job'),
    index: z.int().min(0).meta({ description: 'Its place in the job.' }),
    outputAssetIds: z.array(idSchema('asset')).max(16),
    state: z.enum(jobMachine.states).exclude(['Deleted']),
    progress: progressSchema,
    startedAt: timestampSchema.optional(),
    endedAt: timestampSchema.optional(),
    lastError: lastErrorSchema.optional(),
  })
  .meta({ id: 'Task', description: 'One step of a job.' })

/** A task as it is stored and shown. */
export type Task = z.output<typeof taskSchema>

/** Which tasks of a job may be scheduled now: those Queued whose inputs are all done, by index. */
export function readyTasks(tasks: readonly Pick<Task, 'index' | 'inputs' | 'state'>[]): number[] {
  const finished = new Set(tasks.filter(({ state }) => state === 'Finished').map(({ index }) => index))
  return tasks
    .filter(({ state }) => state === 'Queued')
    .filter(({ inputs }) => inputs.every((input) => !('task' in input) || finished.has(input.task)))
    .map(({ index }) => index)
}
