import { z } from 'zod'
import type { ContentKey } from './content-key.ts'
import { idSchema } from './kinds.ts'
import { keyTracks } from './track-keys.ts'
import { fieldError } from './validation.ts'

/**
 * The keys of an asset, as AMS's streaming policies map them to tracks: of each kind at most one for a kind of tracks, and one
 * without `tracks` for those that no other is for.
 */
export const assetKeysSchema = z
  .array(
    z.strictObject({
      contentKeyId: idSchema('content-key'),
      tracks: z.array(z.enum(keyTracks)).min(1).max(keyTracks.length).optional().meta({
        description: 'SD is up to 576 lines, HD up to 1,080; not given: every track that no other key is for.',
      }),
    }),
  )
  .max(24)
  .meta({ description: 'What it is encrypted with, by kinds of tracks.' })

/** The keys of an asset. */
export type AssetKeys = z.output<typeof assetKeysSchema>

/**
 * That an asset may have these keys, which are in the order in which it names them.
 *
 * @throws AppError `ENTITY_INVALID`, with `details.problems`
 */
export function assertAssetKeys(given: AssetKeys, keys: readonly Pick<ContentKey, 'kind'>[]): void {
  const taken = new Set<string>()
  for (const [at, { tracks }] of given.entries()) {
    const kind = keys[at]?.kind ?? ''
    if (kind === 'storage') throw invalid(`/contentKeys/${at}/contentKeyId`, 'is a key of storage, not of delivery')
    for (const one of tracks ?? ['other tracks']) {
      const what = `${kind} ${one}`
      if (taken.has(what)) throw invalid(`/contentKeys/${at}`, `is a second key of kind ${kind} for ${one}`)
      taken.add(what)
    }
  }
}

function invalid(pointer: string, detail: string) {
  return fieldError('ENTITY_INVALID', [{ pointer, detail }])
}
