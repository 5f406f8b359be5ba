import { z } from 'zod'

const MAX_SERVICES = 8
const instreamId = z
  .string()
  .regex(/^(CC[1-4]|SERVICE([1-9]|[1-5]\d|6[0-3]))$/, 'must be CC1 to CC4 or SERVICE1 to SERVICE63')
  .meta({ description: 'A channel of CEA-608, or a service of CEA-708.', example: 'CC1' })

const service = z.strictObject({
  instreamId,
  language: z
    .string()
    .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,7}$/, 'must be a BCP 47 language tag')
    .optional()
    .meta({ description: 'BCP 47.', example: 'en' }),
  name: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .meta({ description: 'As players show it; the instreamId if not given.', example: 'English' }),
})

/** The captions that manifests tell of. */
export const closedCaptionsSchema = z
  .array(service)
  .max(MAX_SERVICES)
  .refine((services) => new Set(services.map((each) => each.instreamId)).size === services.length, {
    message: 'must name each instreamId once',
  })
  .meta({
    description:
      'The captions that the encoder sends within its pictures (CEA-608/708), as manifests name them. Not set: those found in its first pictures, in no language. Empty: none are named. Only changed when Stopped.',
    example: [{ instreamId: 'CC1', language: 'en', name: 'English' }],
  })

type NamedCaptions = { readonly instreamId: string; readonly language?: string; readonly name?: string }

/** The captions of a channel as its presentations tell of them; `undefined`: those that are found. */
export function captionServices({
  closedCaptions,
}: {
  readonly closedCaptions?: z.output<typeof closedCaptionsSchema> | undefined
}): readonly NamedCaptions[] | undefined {
  return closedCaptions?.map(({ instreamId: id, language, name }) => ({
    instreamId: id,
    ...(language !== undefined && { language }),
    ...(name !== undefined && { name }),
  }))
}
