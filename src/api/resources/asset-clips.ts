import { assertQuota } from '../../domain/account.ts'
import { assetCreateSchema, assetMachine, newAsset } from '../../domain/asset.ts'
import { CLIP_ACTION, clipCreateSchema } from '../../domain/clip.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announce } from '../../domain/lifecycle.ts'
import { newOperation, type Operation } from '../../domain/operation.ts'
import { transition } from '../../domain/state-machine.ts'
import { AppError } from '../../lib/errors.ts'
import { type Route, route } from '../rest/route.ts'
import { policyOfClip } from './asset-protection.ts'
import { operationAnswer, operationAnswers, recallOperation, waitQuerySchema } from './operations.ts'
import type { ResourceDeps } from './ports.ts'
import { referred } from './referred.ts'
import { assetOf, assetPath, assetSubject, type StorageKeyDeps } from './storage-deps.ts'

/** What making clips needs beside what every resource does. */
export type ClipDeps = ResourceDeps &
  StorageKeyDeps & {
    /** Carries the operations out. */
    readonly clips: { nudge(operation: Operation): void }
  }

/** A clip of a recording: an asset that records until its media is there. */
export function assetClips(deps: ClipDeps): Route {
  return route({
    method: 'post',
    path: `${assetPath}/clips`,
    operationId: 'clipAsset',
    summary: 'Make an asset of a part of a recording',
    description:
      'Also of one that goes on. The operation’s subject is the new asset, which is Recording until its media is there, and then Ready. It is encrypted where the recording is, under the same key.',
    tag: 'assets',
    access: { action: 'create', resource: 'asset' },
    query: waitQuerySchema,
    body: clipCreateSchema,
    answers: operationAnswers,
    recall: recallOperation(deps),
    async handle(request) {
      const { accountId, body } = request
      const source = await assetOf(deps, request)
      if (source.state !== 'Ready' && source.state !== 'Recording') {
        throw new AppError('STATE_CONFLICT', `The asset is ${source.state}: there is no recording in it.`, {
          details: { state: source.state },
        })
      }
      const { from, to, exact, storageAccountId = source.storageAccountId, ...labels } = body
      const [account, used, storage] = await Promise.all([
        deps.repository.get('account', accountId, SYSTEM_ACCOUNT),
        deps.repository.count('asset', accountId),
        referred(deps.repository, 'storage-account', storageAccountId, accountId, '/storageAccountId'),
      ])
      assertQuota(account, 'assets', used)
      const given = assetCreateSchema.parse({ ...labels, storageEncryption: source.storageEncryption })
      const fresh = newAsset(given, storage.id, accountId, deps.random)
      const state = transition(assetMachine, fresh.state, 'record') as 'Recording'
      const clip = { assetId: source.id, from, exact, ...(to !== undefined && { to }) }
      // Keys are for an admin to give, and until then what was protected stays blocked or without keys: it is never in the clear.
      const deliveryPolicyId = await policyOfClip(deps, source)
      const draft = { ...fresh, state, clip, ...(deliveryPolicyId !== undefined && { deliveryPolicyId }) }
      const operation = newOperation(CLIP_ACTION, assetSubject(draft), accountId, deps.random)
      const changes = request.changes(CLIP_ACTION, assetSubject(draft))
      const shared = await deps.storageKeys.share(source, draft)
      changes.create('asset', draft)
      if (shared) changes.create('content-key', shared)
      const handle = changes.create('operation', operation)
      announce(changes, 'asset.created', draft, deps.clock.now())
      const done = await request.commit(changes, { status: 202, id: operation.id })
      const begun = done.get(handle)
      deps.clips.nudge(begun)
      return operationAnswer(deps, request, begun)
    },
  })
}
