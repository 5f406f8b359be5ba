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
import { AppError } from '../../lib/errors.ts'
import { type Route, route } from '../rest/route.ts'
import { assertBelow, namedEntity, namedPath, namedResourceRoutes, namedSubject } from './named-resource.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'

const MAX_CONTENT_KEYS = 100_000
const named = { kind: 'content-key', collection: 'content-keys', names: ['ContentKey', 'ContentKeys'] } as const

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
  const { clock, contentKeys, keyDoors } = deps
  const { kind } = named
  const routes = namedResourceRoutes(deps, {
    ...named,
    schemas: {
      entity: contentKeySchema,
      view: contentKeyViewSchema,
      create: contentKeyCreateSchema,
      patch: contentKeyPatchSchema,
    },
    texts: {
      entity: 'The content key, without its value.',
      page: 'A page of content keys.',
      list: 'List content keys',
      create: 'Create a content key, of a value and a KID that are given or made',
      description,
      read: 'Read a content key, without its value',
      update: 'Change who gets a content key, or what it is called',
      delete: 'Delete a content key that no asset names: nobody gets it from the next request on',
    },
    show: showContentKey,
    async make({ accountId, body, signal }) {
      await assertBelow(MAX_CONTENT_KEYS, deps, { kind, plural: 'content keys', accountId })
      await assertPolicy(deps, body.keyAuthorizationPolicyId, accountId)
      return contentKeys.create(body, accountId, signal)
    },
    assertChangeable: assertOfDelivery,
    check: (next, accountId) => assertPolicy(deps, next.keyAuthorizationPolicyId, accountId),
    along(changes, step, key) {
      if (step !== 'update') changes.event(newEvent(`content-key.${step}d`, key, {}, clock.now()))
    },
    written: (_step, { accountId }) => keyDoors.changed(accountId),
  })
  return routes.toSpliced(3, 0, exporting(deps))
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

function exporting(deps: ContentKeyDeps): Route {
  return route({
    method: 'post',
    path: `${namedPath(named)}/export`,
    operationId: 'exportContentKey',
    summary: 'Show the value of a content key; each showing is audited',
    tag: named.collection,
    access: { action: 'read-secret', resource: named.kind },
    answers: { 200: { description: 'The value.', schema: contentKeyValueSchema } },
    async handle(request) {
      const key = await namedEntity(deps, named, request)
      assertOfDelivery(key)
      const value = Buffer.from(await deps.contentKeys.open(key)).toString('base64')
      const changes = request.changes('content-key.export', namedSubject(named.kind, key))
      changes.event(newEvent('content-key.exported', key, {}, deps.clock.now()))
      // Written down before it is told.
      await request.commit(changes)
      return { status: 200, body: { id: key.id, source: key.source, value } }
    },
  })
}
