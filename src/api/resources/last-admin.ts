import type { ChangeSet } from '../../domain/change-set.ts'
import { type Credential, isCredentialValid } from '../../domain/credential.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { AppError } from '../../lib/errors.ts'
import type { RestRequest } from '../rest/route.ts'
import type { ResourceDeps } from './ports.ts'

/**
 * That a credential which is about to end is not the last with which an account's own people can manage it. `system` may end
 * that one too: it can always make another. The account is written along, so that two admins who end each other at the same
 * time meet there: the second looks again.
 *
 * @throws AppError `ENTITY_PROTECTED`
 */
export async function keepLastAdmin(
  { repository, clock }: Pick<ResourceDeps, 'repository' | 'clock'>,
  request: RestRequest,
  changes: ChangeSet,
  ending: Credential,
): Promise<void> {
  const nowMs = clock.now()
  if (request.caller.role === 'system' || ending.role !== 'admin' || !isCredentialValid(ending, nowMs)) return
  const { accountId } = request
  // Read before the credentials: whoever changes them after this changes its etag.
  const account = await repository.get('account', accountId, SYSTEM_ACCOUNT)
  for await (const other of repository.each('credential', { accountId })) {
    if (other.id === ending.id || other.role !== 'admin' || !isCredentialValid(other, nowMs)) continue
    changes.update('account', account)
    return
  }
  throw new AppError(
    'ENTITY_PROTECTED',
    'This is the account’s last admin credential: make another one first, or ask who has the system credential.',
    { details: { kind: 'credential', id: ending.id } },
  )
}
