import type { Channel } from '../../domain/channel.ts'
import type { Repository } from '../../domain/repository.ts'
import { fieldError } from '../../domain/validation.ts'
import { referred } from './referred.ts'

/**
 * That the picture of a channel's slate is there, so that it is not found missing when it is needed.
 *
 * @throws AppError `REFERENCE_MISSING`, with `details.problems`
 */
export async function assertSlateImage(
  repository: Repository,
  { slate }: Pick<Channel, 'slate'>,
  accountId: string,
): Promise<void> {
  if (!slate?.image) return
  const { assetId, file } = slate.image
  await referred(repository, 'asset', assetId, accountId, '/slate/image/assetId')
  const reference = { relation: 'asset', id: assetId }
  for await (const { name, state } of repository.each('asset-file', { accountId, reference })) {
    if (name === file && state === 'Ready') return
  }
  const problems = [{ pointer: '/slate/image/file', detail: 'the asset has no file of that name that is Ready' }]
  throw fieldError('REFERENCE_MISSING', problems, { kind: 'asset-file', name: file })
}
