import type { EntityOf, StoredKind } from '../../domain/entities.ts'
import type { Repository } from '../../domain/repository.ts'
import { fieldError } from '../../domain/validation.ts'

/**
 * What a field of a request's body refers to. The store checks that it exists, this that it is the same account's: what is
 * another account's is not there.
 *
 * @throws AppError `REFERENCE_MISSING`, with `details.problems`
 */
export async function referred<K extends StoredKind>(
  repository: Repository,
  kind: K,
  id: string,
  accountId: string,
  pointer: string,
): Promise<EntityOf<K>> {
  const found = await repository.find(kind, id, accountId)
  if (found) return found
  throw fieldError('REFERENCE_MISSING', [{ pointer, detail: `there is no such ${kind.replaceAll('-', ' ')}` }], {
    kind,
    id,
  })
}
