import type { z } from 'zod'
import { assertQuota } from '../../domain/account.ts'
import type { Asset } from '../../domain/asset.ts'
import { newEvent } from '../../domain/events.ts'
import { idSchema, SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announce } from '../../domain/lifecycle.ts'
import { patched } from '../../domain/merge-patch.ts'
import {
  assertProgramChange,
  newProgram,
  programCreateSchema,
  programPatchSchema,
  programSchema,
} from '../../domain/program.ts'
import { assetForProgram } from '../../domain/program-asset.ts'
import { fieldError } from '../../domain/validation.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'
import { programOf, programPath, programSubject } from './program-deps.ts'
import { programOperations } from './program-operations.ts'
import { createAsset, type StorageKeyDeps } from './storage-deps.ts'

const path = '/v1/programs'
const tag = 'programs'
const entityAnswer = { description: 'The program.', schema: programSchema }

type ProgramCreate = z.output<typeof programCreateSchema>

/** `/v1/programs`. */
export function programRoutes(deps: ResourceDeps & StorageKeyDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), changing(deps), ...programOperations(deps)]
}

function listing(deps: ResourceDeps): Route {
  const channelId = idSchema('channel').optional().meta({ description: 'Only those of this channel.' })
  return route({
    method: 'get',
    path,
    operationId: 'listPrograms',
    summary: 'List programs',
    tag,
    access: { action: 'read', resource: 'program' },
    query: listQuerySchema.extend({ channelId }),
    answers: { 200: { description: 'A page of programs.', schema: pageSchema(programSchema, 'Program') } },
    handle(request) {
      const { channelId: wanted } = request.query
      return listAnswer(deps.repository, 'program', request, {
        show: (program) => program,
        ...(wanted !== undefined && {
          reference: { relation: 'channel', id: wanted },
          belongs: (program) => program.channelId === wanted,
        }),
      })
    },
  })
}

function creation(deps: ResourceDeps & StorageKeyDeps): Route {
  const headers = (id: string) => ({ Location: `${path}/${id}` })
  return route({
    method: 'post',
    path,
    operationId: 'createProgram',
    summary: 'Create a program, and an asset for it where none is given',
    tag,
    access: { action: 'create', resource: 'program' },
    body: programCreateSchema,
    answers: { 201: { ...entityAnswer, description: 'The program, Stopped.' } },
    async handle(request) {
      const { accountId, body } = request
      const channel = await deps.repository.find('channel', body.channelId, accountId)
      if (!channel)
        throw fieldError('REFERENCE_MISSING', [{ pointer: '/channelId', detail: 'there is no such channel' }])
      if (channel.state === 'Deleting') throw new AppError('STATE_CONFLICT', 'The channel is being deleted.')
      const given = body.assetId === undefined ? undefined : await emptyAsset(deps, request, body.assetId)
      const made = given ? undefined : await assetFor(deps, request)
      const draft = newProgram(body, (given ?? made)?.id as Asset['id'], accountId, deps.random)
      const changes = request.changes('program.create', programSubject(draft))
      if (made) {
        await createAsset(deps, changes, made)
        announce(changes, 'asset.created', made, deps.clock.now())
      }
      // Written as it is: of two programs that are given the same asset the second loses this race and is told.
      if (given) changes.update('asset', given)
      const handle = changes.create('program', draft)
      announce(changes, 'program.created', draft, deps.clock.now())
      const done = await request.commit(changes, { status: 201, id: draft.id })
      return { status: 201, body: done.get(handle), headers: headers(draft.id) }
    },
    async recall(request, { id }) {
      return { status: 201, body: await deps.repository.get('program', id, request.accountId), headers: headers(id) }
    },
  })
}

/** An asset that was made for it: nothing is in it yet, and no other program writes to it. */
async function emptyAsset(deps: ResourceDeps, request: RestRequest, assetId: string): Promise<Asset> {
  const problem = (detail: string) => fieldError('REFERENCE_MISSING', [{ pointer: '/assetId', detail }])
  const asset = await deps.repository.find('asset', assetId, request.accountId)
  if (!asset) throw problem('there is no such asset')
  if (asset.state !== 'Empty') throw problem(`the asset is ${asset.state}; a program needs an Empty one`)
  const reference = { relation: 'asset', id: asset.id }
  const [other] = await deps.repository.referring('program', request.accountId, reference)
  if (other) throw problem(`the program ${other.name} has it`)
  return asset
}

/** A new one, as long as the account may have more. */
async function assetFor(deps: ResourceDeps, { accountId, body }: RestRequest<unknown, ProgramCreate>) {
  const account = await deps.repository.get('account', accountId, SYSTEM_ACCOUNT)
  assertQuota(account, 'assets', await deps.repository.count('asset', accountId))
  return assetForProgram(deps.repository, accountId, body.name, deps.random, body.storageEncryption)
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: programPath,
    operationId: 'getProgram',
    summary: 'Read a program',
    tag,
    access: { action: 'read', resource: 'program' },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: await programOf(deps, request) }),
  })
}

function changing(deps: ResourceDeps): Route {
  return route({
    method: 'patch',
    path: programPath,
    operationId: 'updateProgram',
    summary: 'Change a program',
    tag,
    access: { action: 'update', resource: 'program' },
    body: programPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const program = await programOf(deps, request)
      const next = patched(programSchema, programPatchSchema, program, request.body)
      assertProgramChange(program, next)
      const fields = changedFields(program, next)
      if (fields.length === 0) return { status: 200, body: program }
      const changes = request.changes('program.update', programSubject(program), fields)
      const handle = changes.update('program', next)
      changes.event(newEvent('program.updated', program, { fields: fields.slice(0, 64) }, deps.clock.now()))
      return { status: 200, body: (await request.commit(changes)).get(handle) }
    },
  })
}
