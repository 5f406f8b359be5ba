import { z } from 'zod'
import type { StoredKind } from '../../domain/entities.ts'
import type { EntityQuery, PageOf } from '../../domain/repository.ts'
import { nameSchema } from '../../domain/scalars.ts'
import type { Answer, RestRequest } from './route.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 1_000

/** Without flags: OpenAPI's patterns have none. */
const TAG = /^([^=]+)=([\s\S]*)$/

/** What every list takes. */
export const listQueryShape = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_LIMIT)
    .default(DEFAULT_LIMIT)
    .meta({ description: 'How many at most.', example: DEFAULT_LIMIT }),
  cursor: z.string().max(1_024).optional().meta({ description: '`nextCursor` of the page before.' }),
  name: nameSchema.optional().meta({ description: 'Only the one of this name.' }),
  namePrefix: nameSchema.optional().meta({ description: 'Only those whose names begin so.' }),
  tag: z
    .string()
    .max(400)
    .regex(TAG, 'must be key=value')
    .optional()
    .meta({ description: 'Only those with this tag.', example: 'event=summer-2026' }),
}

/** The query of a list. */
export const listQuerySchema = z.strictObject(listQueryShape)

type ListQuery = z.output<typeof listQuerySchema>

/** A page of what `item` describes. */
export function pageSchema(item: z.ZodType, name: string) {
  return z
    .strictObject({
      items: z.array(item),
      nextCursor: z
        .string()
        .optional()
        .meta({ description: 'Give it as `cursor` for the next page; absent on the last.' }),
    })
    .meta({ id: `${name}Page`, description: 'One page, oldest first.' })
}

/** What the store is asked, from what a list's query says. */
export function entityQuery(accountId: string, query: ListQuery, reference?: EntityQuery['reference']): EntityQuery {
  const [, key = '', value = ''] = query.tag === undefined ? [] : (TAG.exec(query.tag) ?? [])
  return {
    accountId,
    limit: query.limit,
    ...(query.cursor !== undefined && { cursor: query.cursor }),
    ...(query.namePrefix !== undefined && { namePrefix: query.namePrefix }),
    ...(query.tag !== undefined && { tag: { key, value } }),
    ...(reference && { reference }),
  }
}

/** Where lists are read. */
export type Lister = {
  list<K extends StoredKind>(kind: K, query: EntityQuery): Promise<PageOf<K>>
  findByName<K extends StoredKind>(
    kind: K,
    name: string,
    accountId: string,
    scopeId?: string,
  ): Promise<PageOf<K>['items'][number] | undefined>
}

/** How a resource lists its entities. */
export type ListOptions<K extends StoredKind> = {
  readonly show: (entity: PageOf<K>['items'][number]) => unknown
  /** Only what refers to this; `belongs` says the same of one that was found by its name. */
  readonly reference?: EntityQuery['reference']
  readonly belongs?: (entity: PageOf<K>['items'][number]) => boolean
  /** What names are unique in, where it is not the account. */
  readonly scopeId?: string
}

/** Answers a list: the page that the query asks for, each item as `show` shows it. */
export async function listAnswer<K extends StoredKind>(
  lister: Lister,
  kind: K,
  request: RestRequest<ListQuery>,
  { show, reference, belongs, scopeId }: ListOptions<K>,
): Promise<Answer> {
  const { accountId, query } = request
  if (query.name !== undefined) {
    const found = await lister.findByName(kind, query.name, accountId, scopeId)
    const isWanted =
      found && hasTag(found, query.tag) && query.name.startsWith(query.namePrefix ?? '') && (belongs?.(found) ?? true)
    return { status: 200, body: { items: isWanted && query.cursor === undefined ? [show(found)] : [] } }
  }
  const { items, cursor } = await lister.list(kind, entityQuery(accountId, query, reference))
  return { status: 200, body: { items: items.map(show), ...(cursor !== undefined && { nextCursor: cursor }) } }
}

function hasTag(entity: object, tag: string | undefined): boolean {
  const [, key = '', value = ''] = tag === undefined ? [] : (TAG.exec(tag) ?? [])
  const tags = 'tags' in entity ? (entity.tags as Readonly<Record<string, string>>) : {}
  return tag === undefined || (Object.hasOwn(tags, key) && tags[key] === value)
}
