import { z } from 'zod'
import { type EventFilter, eventFilterShape, matchesFilter } from '../../domain/event-filter.ts'
import type { HeadendEvent } from '../../domain/events.ts'
import { may, type Role } from '../../domain/permissions.ts'
import { parseSequenceId } from '../../domain/sequence-id.ts'

const MAX_LENGTH = 8_192

const split = (text: string) => text.split(',').map((part) => part.trim())

/** A list in a query: its elements with commas between them, each as `schema` wants it. */
function commaList(schema: z.ZodType, description: string, example: string) {
  return z
    .string()
    .max(MAX_LENGTH)
    .superRefine((text, context) => {
      const result = schema.safeParse(split(text))
      for (const { message } of result.error?.issues ?? []) context.addIssue(message)
    })
    .optional()
    .meta({ description: `${description} Separated by commas.`, example })
}

/** What both the page and the stream of events are asked by. */
export const eventQueryShape = {
  after: z
    .string()
    .refine((id) => parseSequenceId('ev', id) !== undefined, 'must be the id of an event, such as ev_0000000000000042')
    .optional()
    .meta({ description: 'Only what came after this event.', example: 'ev_0000000000000042' }),
  types: commaList(
    eventFilterShape.types,
    'Only these types: whole ones, or families such as `channel.*`.',
    'channel.*',
  ),
  subjectKinds: commaList(eventFilterShape.subjectKinds, 'Only about these kinds.', 'channel,program'),
  subjectIds: commaList(eventFilterShape.subjectIds, 'Only about these entities.', 'ch_4fZ0mTq2LrX8bNcVdKs1Ye'),
}

/** A query of the shape above. */
export type EventQuery = { readonly [K in keyof typeof eventQueryShape]?: string | undefined }

/** The sequence of the event after which to begin, where one is given. */
export function positionOf({ after }: EventQuery): number | undefined {
  return after === undefined ? undefined : parseSequenceId('ev', after)
}

/** The filter of a valid query. */
export function filterOf({ types, subjectKinds, subjectIds }: EventQuery): EventFilter {
  const list = (text: string | undefined) => (text === undefined ? undefined : split(text))
  return { types: list(types), subjectKinds: list(subjectKinds), subjectIds: list(subjectIds) }
}

/** Whether an event is asked for, and about something that the role may read. */
export function isShown(event: HeadendEvent, filter: EventFilter, role: Role): boolean {
  return matchesFilter(filter, event) && may(role, 'read', event.subject.kind)
}
