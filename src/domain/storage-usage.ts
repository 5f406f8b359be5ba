import { z } from 'zod'
import { idSchema } from './kinds.ts'
import { timestampSchema } from './scalars.ts'

const counted = {
  bytes: z.int().min(0).meta({ description: 'As stored, encryption included.', example: 1_048_576 }),
  objects: z.int().min(0).meta({ description: 'Files, spans of recordings, and what belongs to them.', example: 12 }),
  isPartial: z.boolean().meta({ description: 'There is more: counting all of it would take too long.' }),
}

/** What lies in a place, as it was counted. */
export const storageUsageSchema = z
  .strictObject({
    ...counted,
    measured: timestampSchema.meta({ description: 'When it was counted: up to some minutes ago.' }),
  })
  .meta({ id: 'StorageUsage', description: 'How much lies in storage. Copies that share their room are counted each.' })

/** What lies in a place, as it was counted. */
export type StorageUsage = z.output<typeof storageUsageSchema>

/** The same of everything that an account has. */
export const accountUsageSchema = z
  .strictObject({
    ...counted,
    storageAccounts: z
      .array(storageUsageSchema.extend({ storageAccountId: idSchema('storage-account') }))
      .max(1_000)
      .meta({ description: 'One by one; what can’t be reached now is left out, and makes the whole partial.' }),
  })
  .meta({ id: 'AccountUsage', description: 'How much an account has in storage.' })

/** How much an account has in storage. */
export type AccountUsage = z.output<typeof accountUsageSchema>
