import { z } from 'zod'
import { type Draft, envelope, labels, lastErrorSchema, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { nameSchema } from './scalars.ts'
import { defineMachine } from './state-machine.ts'

const operations = {
  schedule: { from: ['Queued'], to: 'Scheduled' },
  process: { from: ['Scheduled'], to: 'Processing' },
  requeue: { from: ['Scheduled', 'Processing'], to: 'Queued' },
  cancel: { from: ['Queued', 'Scheduled', 'Processing'], to: 'Canceling' },
  delete: { from: ['Finished', 'Error', 'Canceled'], to: 'Deleted' },
} as const

/** The life of a job, and of each of its tasks. `requeue` takes up again what a dead worker left. */
export const jobMachine = defineMachine({
  kind: 'job',
  states: ['Queued', 'Scheduled', 'Processing', 'Canceling', 'Finished', 'Error', 'Canceled', 'Deleted'],
  initial: 'Queued',
  operations,
  outcomes: {
    Queued: { failed: 'Error' },
    Scheduled: { failed: 'Error' },
    Processing: { completed: 'Finished', failed: 'Error' },
    Canceling: { completed: 'Canceled', failed: 'Canceled' },
  },
})

/** Where a job or task stands in its life. */
export type JobState = (typeof jobMachine.states)[number]

const MAX_TASKS = 30

const taskInput = z.union(
  [
    z.strictObject({ assetId: idSchema('asset') }),
    z.strictObject({
      task: z.int().min(0).max(MAX_TASKS).meta({ description: 'Index of an earlier task of the job.' }),
      output: z.int().min(0).max(15).default(0).meta({ description: 'Index of its output.' }),
    }),
  ],
  'must be {assetId} or {task, output}',
)

/** What a job states of each of its tasks. */
export const taskSettings = {
  title: z.string().max(128).optional().meta({ description: 'For people.' }),
  processor: nameSchema.meta({ description: 'Name of a media processor.', example: 'encoder' }),
  configuration: z.record(z.string().max(128), z.unknown()).default({}).meta({ description: 'The processor’s own.' }),
  inputs: z.array(taskInput).min(1).max(16),
  outputs: z
    .array(
      z.strictObject({
        assetName: nameSchema.meta({ description: 'The asset that is made.' }),
        storageAccountId: idSchema('storage-account').optional(),
      }),
    )
    .min(1)
    .max(16),
}

/** How far a job or task is. */
export const progressSchema = z.number().min(0).max(100).meta({ description: 'Percent.', example: 42 })

const changeable = {
  ...labels,
  priority: z.int().min(0).max(100).default(50).meta({ description: 'Higher goes first.' }),
}

type Chain = readonly {
  readonly inputs: readonly z.output<typeof taskInput>[]
  readonly outputs: readonly unknown[]
}[]

/** Tasks are chained through outputs, and only forward: so there is an order in which all can be done. */
function checkChain({ tasks }: { readonly tasks: Chain }, context: z.RefinementCtx): void {
  tasks.forEach(({ inputs }, index) => {
    inputs.forEach((input, at) => {
      if (!('task' in input)) return
      const exists = input.task < index && input.output < (tasks[input.task]?.outputs.length ?? 0)
      const message = 'must name an output of an earlier task'
      if (!exists) context.addIssue({ code: 'custom', path: ['tasks', index, 'inputs', at], message })
    })
  })
}

/** What a client states to have work done. */
export const jobCreateSchema = z
  .strictObject({ ...changeable, tasks: z.array(z.strictObject(taskSettings)).min(1).max(MAX_TASKS) })
  .superRefine(checkChain)
  .meta({
    id: 'JobCreate',
    description: 'A new job, Queued.',
    example: {
      name: 'encode',
      tasks: [
        {
          processor: 'encoder',
          inputs: [{ assetId: 'as_4fZ0mTq2LrX8bNcVdKs1Ye' }],
          outputs: [{ assetName: 'encoded' }],
        },
      ],
    },
  })

/** What may change of a job. */
export const jobPatchSchema = patchOf(z.strictObject(changeable)).meta({
  id: 'JobPatch',
  description: 'A merge patch of a job.',
  example: { priority: 90 },
})

/** A job: tasks chained through their outputs. */
export const jobSchema = z
  .strictObject({
    ...envelope('job'),
    ...owned,
    ...changeable,
    taskIds: z.array(idSchema('task')).max(MAX_TASKS),
    state: z.enum(jobMachine.states).exclude(['Deleted']),
    progress: progressSchema,
    lastError: lastErrorSchema.optional(),
  })
  .meta({ id: 'Job', description: 'Tasks chained through their outputs.' })

/** A job as it is stored and shown. */
export type Job = z.output<typeof jobSchema>

/** A new job, Queued, for tasks whose ids are made with it. */
export function newJob(
  given: Omit<z.output<typeof jobCreateSchema>, 'tasks'>,
  taskIds: readonly Id<'task'>[],
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<Job> {
  const state = jobMachine.initial
  return { id: newId('job', random), accountId, ...given, taskIds: [...taskIds], state, progress: 0 }
}

/** The state of a job as its tasks make it; one error is the job's, however the others end. */
export function jobStateOf(tasks: readonly JobState[]): JobState {
  const any = (state: JobState) => tasks.includes(state)
  const isOver = tasks.every((state) => state === 'Finished' || state === 'Error' || state === 'Canceled')
  if (isOver) return any('Error') ? 'Error' : any('Canceled') ? 'Canceled' : 'Finished'
  if (any('Canceling')) return 'Canceling'
  if (any('Processing') || any('Finished')) return 'Processing'
  return any('Scheduled') ? 'Scheduled' : 'Queued'
}
