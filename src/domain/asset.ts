import { z } from 'zod'
import { AppError } from '../lib/errors.ts'
import { assetKeysSchema } from './asset-keys.ts'
import { clipSchema } from './clip.ts'
import { deliveryPolicyRefSchema } from './delivery-policy.ts'
import { type Draft, envelope, labels, lastErrorSchema, owned } from './envelope.ts'
import { type Id, idSchema, newId, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { durationSchema } from './scalars.ts'
import { defineMachine, transition } from './state-machine.ts'

/** The life of an asset. */
export const assetMachine = defineMachine({
  kind: 'asset',
  states: ['Empty', 'Recording', 'Ready', 'Failed', 'Deleted'],
  initial: 'Empty',
  operations: {
    record: { from: ['Empty', 'Ready', 'Failed'], to: 'Recording' },
    ingest: { from: ['Empty', 'Ready', 'Failed'], to: 'Ready' },
    clear: { from: ['Empty', 'Ready', 'Failed'], to: 'Empty' },
    update: { from: ['Empty', 'Recording', 'Ready', 'Failed'], to: 'unchanged' },
    delete: { from: ['Empty', 'Ready', 'Failed'], to: 'Deleted' },
  },
  outcomes: {
    Empty: { failed: 'Failed' },
    Recording: { completed: 'Ready', failed: 'Failed' },
  },
})

/** Where an asset stands in its life. */
export type AssetState = (typeof assetMachine.states)[number]

const track = z.strictObject({
  name: z.string().min(1).max(128).meta({ example: 'video-720p' }),
  kind: z.enum(['video', 'audio', 'text']),
  codec: z.string().min(1).max(64).meta({ description: 'RFC 6381.', example: 'avc1.64001f' }),
  language: z.string().max(35).optional().meta({ description: 'BCP 47.', example: 'en' }),
  bitrate: z.int().min(0).optional().meta({ description: 'Bits per second.', example: 3_000_000 }),
  role: z.string().max(64).optional().meta({ example: 'main' }),
  width: z.int().min(1).max(32_768).optional(),
  height: z.int().min(1).max(32_768).optional(),
})

/** How what an asset keeps is encrypted where it is stored. */
export const storageEncryptionSchema = z.enum(['none', 'aes256']).meta({
  description:
    '`aes256`: everything of the asset that is stored is encrypted under a key of its own, and can’t be altered unnoticed. Never changes.',
})

/** How an asset is protected where it is delivered: by which policy, and with which keys. */
const protection = {
  deliveryPolicyId: deliveryPolicyRefSchema.optional(),
  contentKeys: assetKeysSchema.optional(),
}

/** What a client states to make an asset. */
export const assetCreateSchema = z
  .strictObject({
    ...labels,
    storageAccountId: idSchema('storage-account').optional().meta({ description: 'The default one if not given.' }),
    storageEncryption: storageEncryptionSchema.default('none'),
    ...protection,
  })
  .meta({ id: 'AssetCreate', description: 'A new asset, Empty.', example: { name: 'evening-news' } })

/** What may change of an asset. */
export const assetPatchSchema = patchOf(z.strictObject({ ...labels, ...protection })).meta({
  id: 'AssetPatch',
  description: 'A merge patch of an asset.',
  example: { description: 'Monday’s edition' },
})

/** An asset: media that is kept. */
export const assetSchema = z
  .strictObject({
    ...envelope('asset'),
    ...owned,
    ...labels,
    storageAccountId: idSchema('storage-account'),
    storageEncryption: storageEncryptionSchema.default('none'),
    ...protection,
    state: z.enum(assetMachine.states).exclude(['Deleted']),
    tracks: z.array(track).max(64).meta({ description: 'Of the recording, when it has ended, or of the files.' }),
    tracksFrom: z.enum(['files']).optional().meta({
      description: '`files`: its tracks and duration are those of the uploaded files. Not set: of a recording.',
    }),
    duration: durationSchema(0, Number.MAX_SAFE_INTEGER, 'Of the media.', 5_400_000)
      .optional()
      .meta({ description: 'Of the media. ISO 8601.', example: 'PT1H30M' }),
    clip: clipSchema.optional(),
    lastError: lastErrorSchema.optional(),
  })
  .meta({ id: 'Asset', description: 'Keeps media: a recording, or files.' })

/** An asset as it is stored and shown. */
export type Asset = z.output<typeof assetSchema>

/** Whether something was recorded into it, which counts for more than files. */
export function hasRecording({ tracks, tracksFrom }: Pick<Asset, 'tracks' | 'tracksFrom'>): boolean {
  return tracks.length > 0 && tracksFrom === undefined
}

/** The asset as it is when its files become others: what they are is not known before somebody has looked. */
export function withOtherFiles(asset: Asset): Asset {
  if (asset.tracksFrom === undefined) return asset
  const { tracksFrom: _files, duration: _theirs, ...kept } = asset
  return { ...kept, tracks: [] }
}

/** A new asset, Empty. */
export function newAsset(
  given: Omit<z.output<typeof assetCreateSchema>, 'storageAccountId'>,
  storageAccountId: Id<'storage-account'>,
  accountId: Id<'account'>,
  random: RandomBytes,
): Draft<Asset> {
  const state = assetMachine.initial
  return { id: newId('asset', random), accountId, ...given, storageAccountId, state, tracks: [] }
}

/** What an asset made for a program is called: as the program, with something of the asset's id where that name is taken. */
export function programAssetName(programName: string, assetId: string, isTaken: boolean): string {
  return isTaken ? `${programName.slice(0, 100)}-${assetId.slice(-8)}` : programName
}

/** Who needs an asset: ids of the programs, jobs and locators that refer to it. */
export type AssetUse = {
  readonly programs: readonly string[]
  readonly jobs: readonly string[]
  readonly locators: readonly string[]
}

/**
 * A deletion of the asset: the locators that go with it.
 *
 * @throws AppError `STATE_CONFLICT` while it records; `IN_USE` (`details.by`) while a program or job uses it, and while it has
 * locators unless `force` is given.
 */
export function deleteAsset(asset: Pick<Asset, 'state'>, use: AssetUse, force: boolean): { remove: readonly string[] } {
  transition(assetMachine, asset.state, 'delete')
  const list = (kind: string, ids: readonly string[]) => ids.map((id) => ({ kind, id }))
  const holders = [...list('program', use.programs), ...list('job', use.jobs)]
  const by = force || holders.length > 0 ? holders : list('locator', use.locators)
  if (by.length === 0) return { remove: use.locators }
  const what = by.map(({ kind, id }) => `${kind} ${id}`).slice(0, 5)
  const advice = holders.length > 0 ? 'delete them first' : 'delete them first, or give force'
  throw new AppError('IN_USE', `The asset is in use by ${what.join(', ')}: ${advice}.`, {
    details: { by: by.slice(0, 10) },
  })
}
