import { assetMachine, hasRecording, withOtherFiles } from '../../domain/asset.ts'
import {
  type AssetFile,
  assetFileCreateSchema,
  assetFileMachine,
  assetFilePatchSchema,
  assetFileSchema,
  fileNameSchema,
  newAssetFile,
} from '../../domain/asset-file.ts'
import type { ChangeSet } from '../../domain/change-set.ts'
import { announceMove } from '../../domain/lifecycle.ts'
import { patched } from '../../domain/merge-patch.ts'
import { transition } from '../../domain/state-machine.ts'
import { fileBlob, newStorageTask } from '../../domain/storage-task.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import { assetFileContentRoutes } from './asset-file-content.ts'
import { assetOf, assetPath, fileOf, fileSubject, placeOf, type StorageDeps } from './storage-deps.ts'

const path = `${assetPath}/files`
const onePath = `${path}/{fileId}`
const tag = 'assets'
const resource = 'asset-file'
const entityAnswer = { description: 'The file.', schema: assetFileSchema }
const MAX_FILES = 1_000

/** `/v1/assets/{assetId}/files`. */
export function assetFileRoutes(deps: StorageDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), removal(deps), ...assetFileContentRoutes(deps)]
}

function filesOf(deps: StorageDeps, { accountId, params }: Pick<RestRequest, 'accountId' | 'params'>) {
  const reference = { relation: 'asset', id: params['assetId'] ?? '' }
  return deps.repository.referring('asset-file', accountId, reference)
}

function listing(deps: StorageDeps): Route {
  const name = fileNameSchema.optional().meta({ description: 'Only the one of this name.' })
  return route({
    method: 'get',
    path,
    operationId: 'listAssetFiles',
    summary: 'List the files of an asset',
    tag,
    access: { action: 'read', resource },
    query: listQuerySchema.omit({ namePrefix: true }).extend({ name }),
    answers: { 200: { description: 'A page of files.', schema: pageSchema(assetFileSchema, 'AssetFile') } },
    async handle(request) {
      const { id } = await assetOf(deps, request)
      const reference = { relation: 'asset', id }
      return listAnswer(deps.repository, 'asset-file', request, { show: (file) => file, reference, scopeId: id })
    },
  })
}

/** One of an asset's files is the primary one: where another becomes it, this one is it no more. */
function writePrimary(changes: ChangeSet, files: readonly AssetFile[], next: Pick<AssetFile, 'isPrimary'>): void {
  if (!next.isPrimary) return
  for (const file of files.filter(({ isPrimary }) => isPrimary))
    changes.update('asset-file', { ...file, isPrimary: false })
}

function creation(deps: StorageDeps): Route {
  const headers = ({ id, assetId }: AssetFile) => ({ Location: `/v1/assets/${assetId}/files/${id}` })
  return route({
    method: 'post',
    path,
    operationId: 'createAssetFile',
    summary: 'Announce a file, to be uploaded next',
    tag,
    access: { action: 'create', resource },
    body: assetFileCreateSchema,
    answers: { 201: { ...entityAnswer, description: 'The file, Pending: put its content next.' } },
    async handle(request) {
      const { accountId, body } = request
      const [asset, files] = await Promise.all([assetOf(deps, request), filesOf(deps, request)])
      if (files.length >= MAX_FILES) {
        throw new AppError('QUOTA_EXCEEDED', `An asset has at most ${MAX_FILES} files.`)
      }
      assertUploadable(body.sizeBytes, deps.maxUploadBytes)
      const draft = newAssetFile(body, asset.id, accountId, deps.random)
      const changes = request.changes('asset-file.create', fileSubject(draft))
      writePrimary(changes, files, draft)
      // Written as it is: of two files that are announced at once as the primary one the second finds the first.
      if (draft.isPrimary) changes.update('asset', asset)
      const handle = changes.create('asset-file', draft)
      const file = (await request.commit(changes, { status: 201, id: draft.id })).get(handle)
      return { status: 201, body: file, headers: headers(file) }
    },
    async recall(request, { id }) {
      const file = await deps.repository.get('asset-file', id, request.accountId)
      return { status: 201, body: file, headers: headers(file) }
    },
  })
}

function assertUploadable(sizeBytes: number | undefined, limit: number): void {
  if (sizeBytes === undefined || sizeBytes <= limit) return
  throw new AppError('LIMIT_EXCEEDED', `A file may have at most ${limit} bytes here.`, { details: { limit } })
}

function reading(deps: StorageDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getAssetFile',
    summary: 'Read what is known of a file',
    tag,
    access: { action: 'read', resource },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: await fileOf(deps, request) }),
  })
}

function changing(deps: StorageDeps): Route {
  return route({
    method: 'patch',
    path: onePath,
    operationId: 'updateAssetFile',
    summary: 'Change what is said of a file',
    tag,
    access: { action: 'update', resource },
    body: assetFilePatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const file = await fileOf(deps, request)
      transition(assetFileMachine, file.state, 'update')
      const next = patched(assetFileSchema, assetFilePatchSchema, file, request.body)
      const fields = changedFields(file, next)
      if (fields.length === 0) return { status: 200, body: file }
      const changes = request.changes('asset-file.update', fileSubject(file), fields)
      if (!file.isPrimary && next.isPrimary) {
        const [asset, files] = await Promise.all([assetOf(deps, request), filesOf(deps, request)])
        writePrimary(changes, files, next)
        changes.update('asset', asset)
      }
      const handle = changes.update('asset-file', next)
      return { status: 200, body: (await request.commit(changes)).get(handle) }
    },
  })
}

function removal(deps: StorageDeps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteAssetFile',
    summary: 'Delete a file; an upload that is under way is lost',
    tag,
    access: { action: 'delete', resource },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const file = await fileOf(deps, request)
      transition(assetFileMachine, file.state, 'delete')
      const [asset, files] = await Promise.all([assetOf(deps, request), filesOf(deps, request)])
      const place = await placeOf(deps, asset)
      const changes = request.changes('asset-file.delete', fileSubject(file))
      changes.delete('asset-file', file)
      if (file.state !== 'Pending') {
        const work = { kind: 'remove-blob', blob: fileBlob(file) } as const
        changes.create('storage-task', newStorageTask(place, work, deps.random))
      }
      const isLast = files.every(({ id, state }) => id === file.id || state !== 'Ready')
      const left = file.state === 'Ready' ? withOtherFiles(asset) : asset
      if (isLast && file.state === 'Ready' && asset.state === 'Ready' && !hasRecording(asset)) {
        const state = transition(assetMachine, asset.state, 'clear') as typeof asset.state
        announceMove(changes, 'asset', asset, state, { reason: 'requested' }, deps.clock.now())
        changes.update('asset', { ...left, state })
      } else if (left !== asset) changes.update('asset', left)
      await request.commit(changes)
      deps.storageTasks.nudge()
      return { status: 204 }
    },
  })
}
