import { z } from 'zod'
import { idSchema } from './kinds.ts'
import { nameSchema } from './scalars.ts'

/** What tasks are done by; comes with the program, so it has no times and no etag. */
export const mediaProcessorSchema = z
  .strictObject({
    id: idSchema('media-processor'),
    name: nameSchema.meta({ example: 'encoder' }),
    version: z.string().max(32).meta({ example: '1.0' }),
    description: z.string().max(1_024),
  })
  .meta({ id: 'MediaProcessor', description: 'What tasks are done by.' })

/** A media processor as it is shown. */
export type MediaProcessor = z.output<typeof mediaProcessorSchema>
