import { z } from 'zod'
import { durationSchema, timestampSchema } from './scalars.ts'

/** Names a marker in its channel; an encoder's may be longer than what a client gives. */
const idSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/,
    'must be 1 to 64 letters, digits and . _ : - and begin with a letter or digit',
  )
  .meta({
    description: 'Unique in the channel; made if not given. Saying the same again changes nothing.',
    example: 'break-7',
  })

const MAX_MESSAGE = 2_048

const values = z
  .record(
    z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,31}$/, 'must be letters, digits and - and begin with a letter'),
    z.string().max(256),
  )
  .refine((given) => Object.keys(given).length <= 8, 'there may be at most 8')

/** What a client says of an ad marker. */
export const adMarkerCreateSchema = z
  .strictObject({
    type: z.enum(['splice-out', 'splice-in']).meta({
      description:
        '`splice-out`: a break begins. `splice-in`: it is over; of the newest break that goes on, if no id is given.',
    }),
    id: idSchema.optional(),
    at: timestampSchema
      .optional()
      .meta({ description: 'When, in the wall clock of the stream (EXT-X-PROGRAM-DATE-TIME).' }),
    offset: durationSchema(0, 3_600_000, 'How long from now; instead of `at`. Neither: now.', 5_000).optional(),
    duration: durationSchema(
      100,
      86_400_000,
      'How long the break is to be: it ends by itself then. If not given, with `splice-in`.',
      30_000,
    ).optional(),
    scte35: z.base64().max(MAX_MESSAGE).optional().meta({
      description:
        'The SCTE-35 message for players and ad servers: a splice_info_section in the clear, in base64. If not given, one is made.',
    }),
    showSlate: z
      .boolean()
      .default(false)
      .meta({ description: 'Viewers see the channel’s slate until the break is over.' }),
    values: values.optional().meta({ description: 'What else players are told of it; at most 8.' }),
  })
  .superRefine(({ type, at, offset, duration, showSlate, values: given }, context) => {
    const no = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (at !== undefined && offset !== undefined) no('offset', 'is given instead of at, not beside it')
    if (type === 'splice-out') return
    if (duration !== undefined) no('duration', 'is of a splice-out')
    if (showSlate) no('showSlate', 'is of a splice-out')
    if (given !== undefined) no('values', 'is of a splice-out')
  })
  .meta({
    id: 'AdMarkerCreate',
    description: 'A break for advertisements begins, or is over.',
    example: { type: 'splice-out', id: 'break-7', offset: 'PT5S', duration: 'PT30S' },
  })

/** An ad marker as it is shown. */
export const adMarkerSchema = z
  .strictObject({
    id: z.string().max(128),
    kind: z.enum(['ad-break', 'splice', 'program-boundary', 'cue', 'text', 'id3']),
    state: z
      .enum(['planned', 'running', 'ended', 'cancelled'])
      .meta({ description: '`running` is a break that nobody has ended yet.' }),
    at: timestampSchema,
    plannedDuration: z.string().optional().meta({ description: 'ISO 8601.', example: 'PT30S' }),
    duration: z.string().optional().meta({ description: 'How long it was; ISO 8601.', example: 'PT30S' }),
    scte35: z.base64().optional().meta({ description: 'The message that began it.' }),
    scte35In: z.base64().optional().meta({ description: 'The message that ended it.' }),
    values: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: 'AdMarker', description: 'An event on the timeline of a channel.' })

/** What a client says of an ad marker. */
export type AdMarkerCreate = z.output<typeof adMarkerCreateSchema>
/** An ad marker as it is shown. */
export type AdMarkerView = z.output<typeof adMarkerSchema>
