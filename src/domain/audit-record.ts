import { z } from 'zod'
import { ownedOrSystem } from './envelope.ts'
import { idSchema } from './kinds.ts'
import { roles } from './permissions.ts'
import { timestampSchema } from './scalars.ts'
import { subjectSchema } from './subject.ts'

const actor = z
  .strictObject({
    credentialId: idSchema('credential')
      .optional()
      .meta({ description: 'Absent where it was the server itself, or nobody knows who.' }),
    role: z.enum([...roles, 'server', 'unknown']).meta({ description: '`unknown`: somebody who failed to log in.' }),
    address: z.string().max(64).optional(),
  })
  .meta({ description: 'Who did it.' })

/** One change, or one reading of a secret, as it is kept for ever after. It never holds a secret itself. */
export const auditRecordSchema = z
  .strictObject({
    id: z
      .string()
      .regex(/^au_\d{16}$/)
      .meta({ description: 'Sorts by age.', example: 'au_0000000000000042' }),
    ...ownedOrSystem,
    time: timestampSchema,
    actor,
    action: z.string().max(64).meta({ description: 'What was done.', example: 'channel.rotate-key' }),
    subject: subjectSchema.optional(),
    outcome: z.enum(['done', 'denied', 'failed']),
    code: z.string().max(64).optional().meta({ description: 'Why it was denied or failed.' }),
    fields: z
      .array(z.string().max(256))
      .max(64)
      .optional()
      .meta({ description: 'JSON pointers of what changed, without values.', example: ['/input/allowIp'] }),
    requestId: z.string().max(128).optional(),
  })
  .meta({ id: 'AuditRecord', description: 'Who did what to what, and when.' })

/** An audit record as it is kept and shown. */
export type AuditRecord = z.output<typeof auditRecordSchema>
/** A record before the log has given it its place. */
export type NewAuditRecord = Omit<AuditRecord, 'id'>
