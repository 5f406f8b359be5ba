import { z } from 'zod'

const masterKey = z
  .strictObject({
    id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, . _ -'),
    file: z.string().min(1).optional(),
    environment: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable, not the key itself')
      .refine(
        (name) => !name.startsWith('HEADEND__'),
        'must not begin with HEADEND__, which sets keys of the configuration',
      )
      .optional(),
    command: z.array(z.string()).min(1).max(64).optional(),
  })
  .superRefine(({ file, environment, command }, context) => {
    const given = [file, environment, command].filter((source) => source !== undefined)
    if (given.length === 1) return
    context.addIssue({ code: 'custom', path: [], message: 'must have one of file, environment and command' })
  })

/**
 * Where master keys are found; the keys themselves are never in the configuration. New keys are sealed under the first, each key
 * opens what was sealed under it.
 */
export const masterKeys = z
  .array(masterKey)
  .max(16)
  .superRefine((value, context) => {
    const ids = new Set(value.map(({ id }) => id))
    if (ids.size < value.length) context.addIssue({ code: 'custom', message: 'two master keys have the same id' })
  })
