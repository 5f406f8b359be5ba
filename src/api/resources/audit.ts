import { z } from 'zod'
import { auditRecordSchema } from '../../domain/audit-record.ts'
import type { RecordQuery } from '../../domain/entity-store.ts'
import { auditRecordOf } from '../../domain/log-records.ts'
import { parseSequenceId, sequenceId } from '../../domain/sequence-id.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { RecordDeps } from './events.ts'

/** One less than the store reads at once: one more says whether there is another page. */
const MAX_LIMIT = 500

const querySchema = z.strictObject({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_LIMIT)
    .default(50)
    .meta({ description: 'How many at most.', example: 50 }),
  cursor: z
    .string()
    .refine((id) => parseSequenceId('au', id) !== undefined, 'must be the `nextCursor` of a page')
    .optional()
    .meta({ description: '`nextCursor` of the page before.', example: 'au_0000000000000042' }),
  order: z
    .enum(['newest-first', 'oldest-first'])
    .default('newest-first')
    .meta({ description: 'Which come first.', example: 'newest-first' }),
  subjectId: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .meta({ description: 'Only what was done to this entity.', example: 'ch_4fZ0mTq2LrX8bNcVdKs1Ye' }),
})

const auditPageSchema = z
  .strictObject({
    items: z.array(auditRecordSchema),
    nextCursor: z
      .string()
      .optional()
      .meta({ description: 'Give it as `cursor` for the next page; absent on the last.' }),
  })
  .meta({ id: 'AuditRecordPage', description: 'One page, in the order asked for.' })

type AuditQuery = z.output<typeof querySchema>

function recordQuery({ accountId, query }: RestRequest<AuditQuery>): RecordQuery {
  const { cursor, order, subjectId, limit } = query
  const from = cursor === undefined ? undefined : parseSequenceId('au', cursor)
  return {
    log: 'audit',
    accountId,
    order,
    limit: limit + 1,
    ...(subjectId !== undefined && { subject: subjectId }),
    ...(from !== undefined && (order === 'oldest-first' ? { afterSequence: from } : { beforeSequence: from })),
  }
}

/** `/v1/audit`. */
export function auditRoutes({ records }: RecordDeps): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/audit',
      operationId: 'listAuditRecords',
      summary: 'Read who did what',
      tag: 'audit',
      access: { action: 'read', resource: 'audit-record' },
      query: querySchema,
      answers: { 200: { description: 'A page of audit records.', schema: auditPageSchema } },
      async handle(request) {
        const { limit } = request.query
        const page = await records.readRecords(recordQuery(request), { signal: request.signal })
        const shown = page.records.slice(0, limit)
        const last = page.records.length > limit ? shown.at(-1) : undefined
        const nextCursor = last && sequenceId('au', last.sequence)
        return { status: 200, body: { items: shown.map(auditRecordOf), ...(nextCursor && { nextCursor }) } }
      },
    }),
  ]
}
