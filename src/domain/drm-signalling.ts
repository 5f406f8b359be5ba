import { z } from 'zod'

const text = (maxLength: number) => z.base64().min(4).max(maxLength).optional()

/** What a key provider wants players to be told of a key, by protection system: each in base64, as CPIX 2.3 §2.6.5 has it. */
export const drmSignallingSchema = z
  .array(
    z.strictObject({
      systemId: z.guid().toLowerCase(),
      pssh: text(65_536).meta({ description: 'A whole `pssh` box.' }),
      contentProtection: text(65_536).meta({ description: 'XML for within the `ContentProtection` element of DASH.' }),
      hlsMedia: text(65_536).meta({ description: 'Lines of a media playlist.' }),
      hlsMaster: text(65_536).meta({ description: 'Lines of a master playlist.' }),
      smoothHeader: text(65_536).meta({ description: 'What stands in the `ProtectionHeader` of Smooth Streaming.' }),
    }),
  )
  .max(16)
  .meta({ description: 'What the key provider wants players to be told, by protection system.' })

/** What players are told of a key. */
export type DrmSignalling = z.output<typeof drmSignallingSchema>
