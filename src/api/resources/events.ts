import { z } from 'zod'
import type { EntityStore } from '../../domain/entity-store.ts'
import { eventSchema, type HeadendEvent } from '../../domain/events.ts'
import { eventOf } from '../../domain/log-records.ts'
import { sequenceId } from '../../domain/sequence-id.ts'
import { AppError } from '../../lib/errors.ts'
import { eventQueryShape, filterOf, isShown, positionOf } from '../events/event-query.ts'
import { listQueryShape } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'

/** What reads the logs. */
export type RecordDeps = { readonly records: Pick<EntityStore, 'readRecords'> }

const READ_RECORDS = 500
/** So many records of the account are looked through for one answer at most. */
const MAX_READS = 20

const querySchema = z.strictObject({ ...eventQueryShape, limit: listQueryShape.limit })

const eventPageSchema = z
  .strictObject({
    items: z.array(eventSchema),
    nextAfter: z.string().meta({
      description: 'Give it as `after` for what follows, also when there is nothing yet; it is always there.',
    }),
    hasMore: z.boolean().meta({ description: 'Whether there may be more already.' }),
  })
  .meta({ id: 'EventPage', description: 'Events, oldest first.' })

const description = `Events of the account, oldest first, as far back as they are kept (a week).

**As a stream**: a WebSocket at this address (\`wss://…/v1/events\`) takes the same parameters but \`limit\` and sends each event as a
JSON text message, in order, after the event \`after\` or from now on. It is authenticated as every request is: by a header, or in a
browser by the session's cookie from a page of the same host. \`account\` stands for the header \`Headend-Account\`, which browsers can't
set. Messages from the client are ignored. A client that was cut off goes on with \`after\` and misses nothing. Close codes:
1001 Headend stops; 4001 the credential is not good any more; 4008 more than the budget (1 MiB, unless configured otherwise) was left
unread for 10 s; 4010 the log does not reach back to \`after\`: begin anew.`

/** `/v1/events`. */
export function eventRoutes(deps: RecordDeps): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/events',
      operationId: 'listEvents',
      summary: 'Read events; as a WebSocket, follow them',
      description,
      tag: 'events',
      access: { action: 'read', resource: 'event' },
      query: querySchema,
      answers: { 200: { description: 'A page of events.', schema: eventPageSchema } },
      handle: async (request) => ({ status: 200, body: await readPage(deps, request) }),
    }),
  ]
}

async function readPage(
  { records }: RecordDeps,
  request: RestRequest<z.output<typeof querySchema>>,
): Promise<z.output<typeof eventPageSchema>> {
  const { accountId, query, role, signal } = request
  const filter = filterOf(query)
  const after = positionOf(query)
  const [subject, ...others] = filter.subjectIds ?? []
  const about = subject !== undefined && others.length === 0 ? { subject } : {}
  const items: HeadendEvent[] = []
  let position = after ?? 0
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const asked = { log: 'event', order: 'oldest-first', limit: READ_RECORDS } as const
    const page = await records.readRecords({ ...asked, ...about, accountId, afterSequence: position }, { signal })
    if (reads === 0 && after !== undefined && page.prunedThrough > after) throw gone(after, page.prunedThrough)
    position = Math.max(position, page.prunedThrough)
    for (const [index, record] of page.records.entries()) {
      position = record.sequence
      const event = eventOf(record)
      if (isShown(event, filter, role)) items.push(event)
      if (items.length === query.limit) {
        const hasMore = index + 1 < page.records.length || page.records.length === READ_RECORDS
        return { items, nextAfter: sequenceId('ev', position), hasMore }
      }
    }
    if (page.records.length < READ_RECORDS) return { items, nextAfter: sequenceId('ev', position), hasMore: false }
  }
  return { items, nextAfter: sequenceId('ev', position), hasMore: true }
}

function gone(after: number, prunedThrough: number): AppError {
  const message = `Events are not kept back to ${sequenceId('ev', after)}: begin without \`after\`.`
  return new AppError('EVENTS_GONE', message, { details: { prunedThrough } })
}
