import { z } from 'zod'
import { idSchema, type Kind, SYSTEM_ACCOUNT } from './kinds.ts'
import { descriptionSchema, nameSchema, tagsSchema, timestampSchema } from './scalars.ts'

const etagSchema = z
  .string()
  .min(1)
  .max(128)
  .meta({ description: 'Changes with every write; compare with If-Match.', example: '3' })

/** What the store says of every entity; a client can't set it. */
export function envelope<K extends Kind>(kind: K) {
  return {
    id: idSchema(kind),
    created: timestampSchema,
    lastModified: timestampSchema,
    etag: etagSchema,
  }
}

/** The account that an entity belongs to. */
export const owned = { accountId: idSchema('account') }

/** The account of what may also belong to none: credentials of `system`, and what was done by it. */
export const ownedOrSystem = {
  accountId: z
    .union([idSchema('account'), z.literal(SYSTEM_ACCOUNT)])
    .meta({ description: 'The account, or `system`.' }),
}

/** What a client may say of every entity that has a name. */
export const labels = {
  name: nameSchema,
  description: descriptionSchema.optional(),
  tags: tagsSchema.default({}),
}

/** Why an entity is not what it should be. */
export const lastErrorSchema = z
  .strictObject({
    code: z.string().max(64),
    detail: z.string().max(2_048),
    time: timestampSchema,
  })
  .meta({
    description: 'What failed last; gone after the next success.',
    example: { code: 'FFMPEG_MISSING', detail: 'There is no ffmpeg to run.', time: '2026-11-02T20:15:00Z' },
  })

/** The operation that is under way, while there is one. */
export const operationIdSchema = idSchema('operation')
  .optional()
  .meta({ description: 'The operation that is under way; absent when there is none.' })

/** An entity before the store has given it its times and etag. */
export type Draft<T> = Omit<T, 'created' | 'lastModified' | 'etag'>
