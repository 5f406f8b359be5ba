import {
  type ContentKey,
  contentKeyCreateSchema,
  contentKeyPatchSchema,
  contentKeySchema,
  contentKeyValueSchema,
  contentKeyViewSchema,
  showContentKey,
} from '../../domain/content-key.ts'
import type { Draft } from '../../domain/envelope.ts'
import { newEvent } from '../../domain/events.ts'
import type { Id } from '../../domain/kinds.ts'
import { patched } from '../../domain/merge-patch.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'

const path = '/v1/content-keys'
const onePath = `${path}/{contentKeyId}`
const tag = 'content-keys'
const resource = 'content-key'
const entityAnswer = { description: 'The content key, without its value.', schema: contentKeyViewSchema }
const MAX_CONTENT_KEYS = 100_000

type GivenKey = ReturnType<typeof contentKeyCreateSchema.parse>

/** How what was written of keys and their policies comes to those who give them out. */
export type KeyDoorDeps = {
  readonly keyDoors: {
    /** Resolves when none gives out keys of the account by what held before. @throws AppError `PART_UNRESPONSIVE` */
    changed(accountId: string): Promise<void>
  }
}

/** What content keys need beside what every resource does. */
export type ContentKeyDeps = ResourceDeps &
  KeyDoorDeps & {
    readonly contentKeys: {
      /** @throws AppError `MASTER_KEY_MISSING`, `MASTER_KEY_UNAVAILABLE`, `KEY_PROVIDER_DOWN` */
      create(given: GivenKey, accountId: Id<'account'>, signal: AbortSignal): Promise<Draft<ContentKey>>
      /** @throws AppError `MASTER_KEY_UNAVAILABLE`, `MASTER_KEY_WRONG` */
      open(key: ContentKey): Promise<Uint8Array>
    }
  }

const description = `A key’s id is its KID. Its value is given, follows from a PlayReady key seed and the KID, or is made; it is kept sealed under the server’s
master key, without which no key can be made. Players get it from the streaming endpoint, as the key’s policy says:
\`/keys/aes128/{kid}\` gives 16 bytes, \`POST /keys/clearkey\` a W3C EME licence, \`POST /keys/widevine/{kid}\`, \`/keys/playready/{kid}\` and
\`/keys/fairplay/{kid}\` one of the licence server that the policy names, for a token in \`Authorization: Bearer\` or \`?token=\`.

A key that is \`rotating\` is none itself: each period has one that is derived from it, and the KID of the period holds its begin, so that
policies and assets name the one key alone. Keys of kind \`cenc\` belong to one asset, because counters must not repeat under them.`

/** `/v1/content-keys`. */
export function contentKeyRoutes(deps: ContentKeyDeps): Route[] {
  return [listing(deps), creation(deps), reading(deps), exporting(deps), changing(deps), removal(deps)]
}

async function contentKeyOf(deps: ResourceDeps, request: RestRequest): Promise<ContentKey> {
  const found = await deps.repository.get(resource, request.params['contentKeyId'] ?? '', request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

function subjectOf({ id, name }: Pick<ContentKey, 'id' | 'name'>) {
  return { kind: resource, id, ...(name !== undefined && { name }) } as const
}

/** @throws AppError `ENTITY_PROTECTED` */
function assertOfDelivery({ kind, assetId }: ContentKey): void {
  if (kind !== 'storage') return
  throw new AppError('ENTITY_PROTECTED', `This key is of what the asset ${assetId} keeps in storage, and goes with it.`)
}

async function assertPolicy(deps: ResourceDeps, id: string | undefined, accountId: string): Promise<void> {
  if (id === undefined) return
  await referred(deps.repository, 'key-authorization-policy', id, accountId, '/keyAuthorizationPolicyId')
}

function listing(deps: ResourceDeps): Route {
  const schema = pageSchema(contentKeyViewSchema, 'ContentKey')
  return route({
    method: 'get',
    path,
    operationId: 'listContentKeys',
    summary: 'List content keys',
    tag,
    access: { action: 'read', resource },
    query: listQuerySchema,
    answers: { 200: { description: 'A page of content keys.', schema } },
    handle: (request) => listAnswer(deps.repository, resource, request, { show: showContentKey }),
  })
}

function creation(deps: ContentKeyDeps): Route {
  const answer = (key: ContentKey) => ({
    status: 201,
    body: showContentKey(key),
    headers: { Location: `${path}/${key.id}` },
  })
  return route({
    method: 'post',
    path,
    operationId: 'createContentKey',
    summary: 'Create a content key, of a value and a KID that are given or made',
    description,
    tag,
    access: { action: 'create', resource },
    body: contentKeyCreateSchema,
    answers: { 201: entityAnswer },
    async handle(request) {
      const { accountId, body } = request
      if ((await deps.repository.count(resource, accountId)) >= MAX_CONTENT_KEYS) {
        throw new AppError('QUOTA_EXCEEDED', `An account has at most ${MAX_CONTENT_KEYS} content keys.`)
      }
      await assertPolicy(deps, body.keyAuthorizationPolicyId, accountId)
      const draft = await deps.contentKeys.create(body, accountId, request.signal)
      const changes = request.changes('content-key.create', subjectOf(draft))
      const handle = changes.create(resource, draft)
      changes.event(newEvent('content-key.created', draft, {}, deps.clock.now()))
      const done = await request.commit(changes, { status: 201, id: draft.id })
      await deps.keyDoors.changed(accountId)
      return answer(done.get(handle))
    },
    recall: async (request, { id }) => answer(await deps.repository.get(resource, id, request.accountId)),
  })
}

function reading(deps: ResourceDeps): Route {
  return route({
    method: 'get',
    path: onePath,
    operationId: 'getContentKey',
    summary: 'Read a content key, without its value',
    tag,
    access: { action: 'read', resource },
    answers: { 200: entityAnswer },
    handle: async (request) => ({ status: 200, body: showContentKey(await contentKeyOf(deps, request)) }),
  })
}

function exporting(deps: ContentKeyDeps): Route {
  return route({
    method: 'post',
    path: `${onePath}/export`,
    operationId: 'exportContentKey',
    summary: 'Show the value of a content key; each showing is audited',
    tag,
    access: { action: 'read-secret', resource },
    answers: { 200: { description: 'The value.', schema: contentKeyValueSchema } },
    async handle(request) {
      const key = await contentKeyOf(deps, request)
      assertOfDelivery(key)
      const value = Buffer.from(await deps.contentKeys.open(key)).toString('base64')
      const changes = request.changes('content-key.export', subjectOf(key))
      changes.event(newEvent('content-key.exported', key, {}, deps.clock.now()))
      // Written down before it is told.
      await request.commit(changes)
      return { status: 200, body: { id: key.id, source: key.source, value } }
    },
  })
}

function changing(deps: ContentKeyDeps): Route {
  return route({
    method: 'patch',
    path: onePath,
    operationId: 'updateContentKey',
    summary: 'Change who gets a content key, or what it is called',
    tag,
    access: { action: 'update', resource },
    body: contentKeyPatchSchema,
    answers: { 200: entityAnswer },
    async handle(request) {
      const current = await contentKeyOf(deps, request)
      assertOfDelivery(current)
      const next = patched(contentKeySchema, contentKeyPatchSchema, current, request.body)
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: showContentKey(current) }
      await assertPolicy(deps, next.keyAuthorizationPolicyId, request.accountId)
      const changes = request.changes('content-key.update', subjectOf(current), fields)
      const handle = changes.update(resource, next)
      const done = await request.commit(changes)
      await deps.keyDoors.changed(request.accountId)
      return { status: 200, body: showContentKey(done.get(handle)) }
    },
  })
}

function removal(deps: ContentKeyDeps): Route {
  return route({
    method: 'delete',
    path: onePath,
    operationId: 'deleteContentKey',
    summary: 'Delete a content key that no asset names: nobody gets it from the next request on',
    tag,
    access: { action: 'delete', resource },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const key = await contentKeyOf(deps, request)
      assertOfDelivery(key)
      const changes = request.changes('content-key.delete', subjectOf(key))
      changes.delete(resource, key)
      changes.event(newEvent('content-key.deleted', key, {}, deps.clock.now()))
      await request.commit(changes)
      await deps.keyDoors.changed(request.accountId)
      return { status: 204 }
    },
  })
}
