import type { z } from 'zod'
import type { ChangeSet } from '../../domain/change-set.ts'
import type { EntityOf } from '../../domain/entities.ts'
import type { Draft } from '../../domain/envelope.ts'
import { idSchema } from '../../domain/kinds.ts'
import { patched } from '../../domain/merge-patch.ts'
import { AppError } from '../../lib/errors.ts'
import { changedFields } from '../rest/changed-fields.ts'
import { assertSeen } from '../rest/etag.ts'
import { listAnswer, listQuerySchema, pageSchema } from '../rest/listing.ts'
import { type RestRequest, type Route, route } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

/** Kinds of what an account names, keeps, alters and deletes as it likes: nothing runs, and no operation is needed. */
export type NamedKind = 'content-key' | 'delivery-policy' | 'filter' | 'key-authorization-policy'

type ListQuery = z.output<typeof listQuerySchema> & { readonly assetId?: string | undefined }
type Step = 'create' | 'update' | 'delete'

/** A resource that is listed, made, read, altered and deleted; what sets it apart from others of the kind. */
export type NamedResource<K extends NamedKind, Create extends z.ZodType> = {
  readonly kind: K
  /** The last part of its path, and the document's tag. */
  readonly collection: string
  /** One and many of it, as operations and schemas are called: `Filter`, `Filters`. */
  readonly names: readonly [one: string, many: string]
  readonly schemas: {
    readonly entity: z.ZodType<EntityOf<K>>
    /** What of it is shown. */
    readonly view: z.ZodType
    readonly create: Create
    readonly patch: z.ZodType
  }
  /** What the document says of answers, and of each operation; `description` is of its creation. */
  readonly texts: Readonly<
    Record<'entity' | 'page' | 'list' | 'create' | 'description' | 'read' | 'update' | 'delete', string>
  >
  /** How one is shown; absent: as it is. */
  readonly show?: (entity: EntityOf<K>) => unknown
  /** The asset that one belongs to: by it they can be listed. */
  readonly assetOf?: (entity: EntityOf<K>) => string | undefined
  /** What a request makes. @throws AppError where there is no room for it, or what it refers to is not there */
  readonly make: (request: RestRequest<unknown, z.output<Create>>) => Promise<Draft<EntityOf<K>>>
  /** @throws AppError where this one may be neither altered nor deleted */
  readonly assertChangeable?: (entity: EntityOf<K>) => void
  /** @throws AppError where what the altered one refers to is not there */
  readonly check?: (next: EntityOf<K>, accountId: string) => Promise<void>
  /** What is written along with it. */
  readonly along?: (changes: ChangeSet, step: Step, entity: Draft<EntityOf<K>>) => void
  /** Resolves when those who go by it know what was written. */
  readonly written?: (step: Step, entity: Draft<EntityOf<K>>) => Promise<void> | undefined
}

/** The routes of a named resource, in the order in which the document has them: list, create, read, update, delete. */
export function namedResourceRoutes<K extends NamedKind, Create extends z.ZodType>(
  deps: ResourceDeps,
  resource: NamedResource<K, Create>,
): Route[] {
  return [
    listing(deps, resource),
    creation(deps, resource),
    reading(deps, resource),
    changing(deps, resource),
    removal(deps, resource),
  ]
}

/** The path of one of them. */
export function namedPath({
  collection,
  names: [one],
}: Pick<NamedResource<NamedKind, z.ZodType>, 'collection' | 'names'>) {
  return `/v1/${collection}/{${paramOf(one)}}`
}

/** The one that a request names, as its client has seen it. @throws AppError `ENTITY_NOT_FOUND`, `ETAG_MISMATCH` */
export async function namedEntity<K extends NamedKind>(
  { repository }: ResourceDeps,
  { kind, names: [one] }: { readonly kind: K; readonly names: readonly [one: string, many: string] },
  request: RestRequest,
): Promise<EntityOf<K>> {
  const found = await repository.get(kind, request.params[paramOf(one)] ?? '', request.accountId)
  assertSeen(request.ifMatch, found)
  return found
}

/** One of them as events and audit records name it. */
export function namedSubject<K extends NamedKind>(
  kind: K,
  { id, name }: { readonly id: string; readonly name?: string | undefined },
) {
  return { kind, id, ...(name !== undefined && { name }) } as const
}

/** @throws AppError `QUOTA_EXCEEDED` where an account has as many of a kind as the server lets any have */
export async function assertBelow(
  max: number,
  { repository }: ResourceDeps,
  { kind, plural, accountId }: { readonly kind: NamedKind; readonly plural: string; readonly accountId: string },
): Promise<void> {
  if ((await repository.count(kind, accountId)) < max) return
  throw new AppError('QUOTA_EXCEEDED', `An account has at most ${max} ${plural}.`)
}

function paramOf(one: string): string {
  return `${one.charAt(0).toLowerCase()}${one.slice(1)}Id`
}

function listing<K extends NamedKind>(deps: ResourceDeps, resource: NamedResource<K, z.ZodType>): Route {
  const { kind, collection, names, schemas, texts, show = (entity) => entity, assetOf } = resource
  const assetId = idSchema('asset').optional().meta({ description: 'Only those of this asset.' })
  const query: z.ZodType<ListQuery> = assetOf ? listQuerySchema.extend({ assetId }) : listQuerySchema
  return route({
    method: 'get',
    path: `/v1/${collection}`,
    operationId: `list${names[1]}`,
    summary: texts.list,
    tag: collection,
    access: { action: 'read', resource: kind },
    query,
    answers: { 200: { description: texts.page, schema: pageSchema(schemas.view, names[0]) } },
    handle(request) {
      const { assetId: wanted } = request.query
      return listAnswer(deps.repository, kind, request, {
        show,
        ...(assetOf &&
          wanted !== undefined && {
            reference: { relation: 'asset', id: wanted },
            belongs: (entity) => assetOf(entity) === wanted,
          }),
      })
    },
  })
}

function creation<K extends NamedKind, Create extends z.ZodType>(
  deps: ResourceDeps,
  resource: NamedResource<K, Create>,
): Route {
  const { kind, collection, names, schemas, texts, show = (entity) => entity, make, along, written } = resource
  const answer = (entity: EntityOf<K>) => {
    return { status: 201, body: show(entity), headers: { Location: `/v1/${collection}/${entity.id}` } }
  }
  return route({
    method: 'post',
    path: `/v1/${collection}`,
    operationId: `create${names[0]}`,
    summary: texts.create,
    description: texts.description,
    tag: collection,
    access: { action: 'create', resource: kind },
    body: schemas.create,
    answers: { 201: { description: texts.entity, schema: schemas.view } },
    async handle(request) {
      const draft = await make(request)
      const changes = request.changes(`${kind}.create`, namedSubject(kind, draft))
      const handle = changes.create(kind, draft)
      along?.(changes, 'create', draft)
      const done = await request.commit(changes, { status: 201, id: draft.id })
      await written?.('create', draft)
      return answer(done.get(handle))
    },
    recall: async (request, { id }) => answer(await deps.repository.get(kind, id, request.accountId)),
  })
}

function reading<K extends NamedKind>(deps: ResourceDeps, resource: NamedResource<K, z.ZodType>): Route {
  const { kind, collection, names, schemas, texts, show = (entity) => entity } = resource
  return route({
    method: 'get',
    path: namedPath(resource),
    operationId: `get${names[0]}`,
    summary: texts.read,
    tag: collection,
    access: { action: 'read', resource: kind },
    answers: { 200: { description: texts.entity, schema: schemas.view } },
    handle: async (request) => ({ status: 200, body: show(await namedEntity(deps, resource, request)) }),
  })
}

function changing<K extends NamedKind>(deps: ResourceDeps, resource: NamedResource<K, z.ZodType>): Route {
  const { kind, collection, names, schemas, texts, show = (entity) => entity } = resource
  return route({
    method: 'patch',
    path: namedPath(resource),
    operationId: `update${names[0]}`,
    summary: texts.update,
    tag: collection,
    access: { action: 'update', resource: kind },
    body: schemas.patch,
    answers: { 200: { description: texts.entity, schema: schemas.view } },
    async handle(request) {
      const current = await namedEntity(deps, resource, request)
      resource.assertChangeable?.(current)
      const next = patched(schemas.entity, schemas.patch, current, request.body)
      const fields = changedFields(current, next)
      if (fields.length === 0) return { status: 200, body: show(current) }
      await resource.check?.(next, request.accountId)
      const changes = request.changes(`${kind}.update`, namedSubject(kind, current), fields)
      const handle = changes.update(kind, next)
      resource.along?.(changes, 'update', current)
      const done = await request.commit(changes)
      await resource.written?.('update', current)
      return { status: 200, body: show(done.get(handle)) }
    },
  })
}

function removal<K extends NamedKind>(deps: ResourceDeps, resource: NamedResource<K, z.ZodType>): Route {
  const { kind, collection, names, texts } = resource
  return route({
    method: 'delete',
    path: namedPath(resource),
    operationId: `delete${names[0]}`,
    summary: texts.delete,
    tag: collection,
    access: { action: 'delete', resource: kind },
    answers: { 204: { description: 'It is gone.' } },
    async handle(request) {
      const entity = await namedEntity(deps, resource, request)
      resource.assertChangeable?.(entity)
      const changes = request.changes(`${kind}.delete`, namedSubject(kind, entity))
      changes.delete(kind, entity)
      resource.along?.(changes, 'delete', entity)
      await request.commit(changes)
      await resource.written?.('delete', entity)
      return { status: 204 }
    },
  })
}
