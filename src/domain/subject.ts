import { z } from 'zod'
import type { Kind } from './kinds.ts'

/** The kinds that events, operations and audit records are about. */
const subjectKinds = [
  'account',
  'asset',
  'asset-file',
  'channel',
  'content-key',
  'credential',
  'dead-letter',
  'delivery-policy',
  'event-subscription',
  'filter',
  'key-authorization-policy',
  'locator',
  'program',
  'storage-account',
  'streaming-endpoint',
] as const satisfies readonly Kind[]

/** What an event, an operation or an audit record is about. */
export const subjectSchema = z
  .strictObject({
    kind: z.enum(subjectKinds),
    id: z.string().min(1).max(64),
    name: z.string().max(260).optional(),
  })
  .meta({
    description: 'What it is about.',
    example: { kind: 'channel', id: 'ch_4fZ0mTq2LrX8bNcVdKs1Ye', name: 'main' },
  })

/** What something is about. */
export type Subject = z.output<typeof subjectSchema>
