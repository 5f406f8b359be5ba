import type { Account } from '../../domain/account.ts'
import { ChangeSet } from '../../domain/change-set.ts'
import { entitySchemas, type StoredKind } from '../../domain/entities.ts'
import type { Repository } from '../../domain/repository.ts'
import { AppError } from '../../lib/errors.ts'
import type { RestRequest } from '../rest/route.ts'

/** What goes with an account; of places for media and endpoints only those that it was made with. */
const goesWithIt: readonly StoredKind[] = ['credential', 'operation', 'storage-account', 'streaming-endpoint']
const keepsIt = (Object.keys(entitySchemas) as StoredKind[]).filter(
  (kind) => kind !== 'account' && !goesWithIt.includes(kind),
)
/** Of the writes of the last transaction, the others being the account, its defaults and the audit record. */
const MAX_WRITES = 90
const BATCH = 90

/** @throws AppError `IN_USE`, with `details.owns` */
async function assertEmpty(repository: Repository, { id, name }: Account): Promise<void> {
  const counts = await Promise.all(keepsIt.map(async (kind) => ({ kind, count: await repository.count(kind, id) })))
  const added = await Promise.all(
    (['storage-account', 'streaming-endpoint'] as const).map(async (kind) => ({
      kind,
      count: (await Array.fromAsync(repository.each(kind, { accountId: id }))).filter((one) => !one.isDefault).length,
    })),
  )
  const owns = [...counts, ...added].filter(({ count }) => count > 0)
  if (owns.length === 0) return
  const what = owns
    .map(({ kind, count }) => `${count} ${kind.replaceAll('-', ' ')}${count === 1 ? '' : 's'}`)
    .join(', ')
  throw new AppError('IN_USE', `The account ${name} still owns ${what}: delete them first.`, { details: { owns } })
}

/** Records of what was done, and credentials past what one transaction holds, go before: an end half way is taken up again. */
async function thinOut(repository: Repository, accountId: string): Promise<void> {
  for (const [kind, keep] of [
    ['operation', 0],
    ['credential', MAX_WRITES],
  ] as const) {
    const all = await Array.fromAsync(repository.each(kind, { accountId }))
    for (let first = 0; first < all.length - keep; first += BATCH) {
      const changes = new ChangeSet()
      for (const one of all.slice(first, Math.min(first + BATCH, all.length - keep))) changes.delete(kind, one)
      await repository.commit(changes)
    }
  }
}

/**
 * Deletes an account with the place for media and the endpoint that it was made with, its credentials and its operations.
 * What was written down of it stays in the logs.
 *
 * @throws AppError `IN_USE` where it owns anything else
 */
export async function removeAccount(
  repository: Repository,
  account: Account,
  request: Pick<RestRequest, 'commit'>,
  changes: ChangeSet,
): Promise<void> {
  await assertEmpty(repository, account)
  await thinOut(repository, account.id)
  for (const kind of ['credential', 'storage-account', 'streaming-endpoint'] as const) {
    for await (const one of repository.each(kind, { accountId: account.id })) changes.delete(kind, one)
  }
  changes.delete('account', account)
  await request.commit(changes)
}
