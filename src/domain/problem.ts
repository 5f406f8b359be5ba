import { z } from 'zod'

/** A problem document (RFC 9457 §3.1) with the catalogue's code and, where fields are at fault, which. */
export const problemSchema = z
  .strictObject({
    type: z.string().max(256).meta({ description: 'Stable: `urn:headend:problem:…`, or `about:blank`.' }),
    title: z.string().max(256),
    status: z.int().min(400).max(599),
    detail: z.string().max(4_096),
    code: z.string().max(64).optional(),
    problems: z
      .array(z.strictObject({ pointer: z.string(), detail: z.string() }))
      .max(20)
      .optional()
      .meta({ description: 'What was wrong and where, as JSON pointers.' }),
  })
  .meta({
    id: 'Problem',
    description: 'What went wrong (RFC 9457).',
    example: {
      type: 'urn:headend:problem:state-conflict',
      title: 'Conflict',
      status: 409,
      detail: 'The channel is Running, which does not allow “start”.',
      code: 'STATE_CONFLICT',
    },
  })

/** A problem document. */
export type Problem = z.output<typeof problemSchema>
