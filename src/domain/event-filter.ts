import { z } from 'zod'
import { type EventType, eventCatalog, eventTypes, type HeadendEvent } from './events.ts'

const families = [...new Set(eventTypes.map((type) => `${type.split('.', 1)[0]}.*`))]

const subjectKinds = [...new Set(eventTypes.map((type) => eventCatalog[type].subject))]

/** Types to hear of: whole ones, `channel.*` for all of a kind, or `*`. */
export const eventTypePatternSchema = z
  .string()
  .refine(
    (text) => text === '*' || families.includes(text) || eventTypes.includes(text as EventType),
    'there is no such event type; give one, a family such as channel.*, or *',
  )
  .meta({ description: 'An event type, a family such as `channel.*`, or `*`.', example: 'channel.*' })

/** Which events somebody wants to hear of; what is left out matches all. */
export type EventFilter = {
  readonly types?: readonly string[] | undefined
  readonly subjectKinds?: readonly string[] | undefined
  readonly subjectIds?: readonly string[] | undefined
}

/** The filter of a WebSocket's query or a subscription. */
export const eventFilterShape = {
  types: z
    .array(eventTypePatternSchema)
    .min(1)
    .max(64)
    .optional()
    .meta({ description: 'Which types. If not given, all.' }),
  subjectKinds: z
    .array(z.enum(subjectKinds))
    .min(1)
    .max(subjectKinds.length)
    .optional()
    .meta({ description: 'About which kinds.' }),
  subjectIds: z
    .array(z.string().min(1).max(64))
    .min(1)
    .max(256)
    .optional()
    .meta({ description: 'About which entities.' }),
}

/** Whether an event is one of those. */
export function matchesFilter(filter: EventFilter, event: Pick<HeadendEvent, 'type' | 'subject'>): boolean {
  const { types, subjectKinds, subjectIds } = filter
  const family = `${event.type.split('.', 1)[0]}.*`
  return (
    (types === undefined || types.some((text) => text === '*' || text === family || text === event.type)) &&
    (subjectKinds === undefined || subjectKinds.includes(event.subject.kind)) &&
    (subjectIds === undefined || subjectIds.includes(event.subject.id))
  )
}
