import { z } from 'zod'
import { type Draft, envelope, labels, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { defineMachine } from './state-machine.ts'

/** The life of a file's upload. */
export const assetFileMachine = defineMachine({
  kind: 'asset file',
  states: ['Pending', 'Uploading', 'Ready', 'Failed', 'Deleted'],
  initial: 'Pending',
  operations: {
    upload: { from: ['Pending', 'Failed'], to: 'Uploading' },
    update: { from: ['Pending', 'Ready', 'Failed'], to: 'unchanged' },
    delete: { from: ['Pending', 'Uploading', 'Ready', 'Failed'], to: 'Deleted' },
  },
  outcomes: { Uploading: { completed: 'Ready', failed: 'Failed' } },
})

const MAX_NAME_CHARACTERS = 260
const MAX_FILE_BYTES = 2 ** 50

/** What no file system or URL takes well: path separators, control characters, and names that are steps in a path. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is there to refuse
const PATH_PARTS = /[/\\\u0000-\u001f\u007f]/

/** The name of an asset's file. */
export const fileNameSchema = z
  .string()
  .min(1)
  .max(MAX_NAME_CHARACTERS)
  .refine(
    (name) => !PATH_PARTS.test(name) && name !== '.' && name !== '..' && name.isWellFormed(),
    'must be a plain file name, without path parts or control characters',
  )
  .meta({ description: 'At most 260 characters, no path parts; unique in the asset.', example: 'video-720p.mp4' })

const { name: _name, ...about } = labels

const changeable = {
  ...about,
  mimeType: z
    .string()
    .max(127)
    .regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/, 'must be a media type such as video/mp4')
    .default('application/octet-stream')
    .meta({ description: 'Media type (RFC 6838).', example: 'video/mp4' }),
  isPrimary: z.boolean().default(false).meta({ description: 'The file that players are given; one of an asset’s.' }),
}

/** What a client states to announce a file. */
export const assetFileCreateSchema = z
  .strictObject({
    ...changeable,
    name: fileNameSchema,
    sizeBytes: z.int().min(0).max(MAX_FILE_BYTES).optional().meta({ description: 'Checked after the upload.' }),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
      .optional()
      .meta({ description: 'Checked after the upload.' }),
  })
  .meta({
    id: 'AssetFileCreate',
    description:
      'A file that will be uploaded. WebVTT and TTML (IMSC1) files of up to 8 MiB are subtitles of the asset where their name says a language: `{name}.{language}.vtt`, `.webvtt`, `.ttml`, `.dfxp`, `.imsc`, `.imsc1` or `.xml`, with a BCP 47 tag or `und`, and before the ending `.forced`, `.sdh` or `.cc` where they are that, as in `film.de.forced.vtt`. They are shown beside its MP4 files, or beside its recording once that has ended; time 0 is where those begin.',
    example: { name: 'video-720p.mp4', mimeType: 'video/mp4' },
  })

/** What may change of a file. */
export const assetFilePatchSchema = patchOf(z.strictObject(changeable)).meta({
  id: 'AssetFilePatch',
  description: 'A merge patch of an asset’s file.',
  example: { isPrimary: true },
})

/** A file of an asset. */
export const assetFileSchema = z
  .strictObject({
    ...envelope('asset-file'),
    ...owned,
    ...assetFileCreateSchema.shape,
    assetId: idSchema('asset'),
    state: z.enum(assetFileMachine.states).exclude(['Deleted']),
  })
  .meta({ id: 'AssetFile', description: 'A file of an asset.' })

/** A file of an asset as it is stored and shown. */
export type AssetFile = z.output<typeof assetFileSchema>

/** A new file, Pending. */
export function newAssetFile(
  given: z.output<typeof assetFileCreateSchema>,
  assetId: Id<'asset'>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<AssetFile> {
  const state = assetFileMachine.initial
  return { id: newId('asset-file', random), accountId, ...given, assetId, state }
}
