import { AppError } from '../lib/errors.ts'
import { type Kind, SYSTEM_ACCOUNT } from './kinds.ts'

/** Whom a credential speaks for. `system` manages accounts; to act in one it names it and is its `admin` there. */
export const roles = ['admin', 'operator', 'viewer', 'system'] as const
/** One of them. */
export type Role = (typeof roles)[number]

/**
 * What is done to an entity. `read` includes lists and what is shown of its run (health, paths, a channel's preview);
 * `operate` is every operation of its state machine, and replaying dead letters; `read-secret` shows a stream key, a
 * content key's value; `rotate-secret` makes a new one.
 */
export const actions = ['read', 'create', 'update', 'delete', 'operate', 'read-secret', 'rotate-secret'] as const
/** One of them. */
export type Action = (typeof actions)[number]

/** Events as a thing to be read (`/v1/events`) stand beside the kinds of entities. */
export type Resource = Kind | 'event'

type Grants = Readonly<Record<Resource, readonly Action[]>>

const manage = ['read', 'create', 'update', 'delete'] as const
const run = [...manage, 'operate'] as const
const read = ['read'] as const
const none = [] as const

const admin: Grants = {
  account: ['read', 'update'],
  asset: manage,
  'asset-file': run,
  'audit-record': read,
  channel: [...run, 'read-secret', 'rotate-secret'],
  'content-key': [...manage, 'read-secret', 'rotate-secret'],
  credential: [...manage, 'rotate-secret'],
  'dead-letter': ['read', 'delete', 'operate'],
  'delivery-policy': manage,
  event: read,
  'event-subscription': [...manage, 'operate', 'rotate-secret'],
  filter: manage,
  job: run,
  'key-authorization-policy': manage,
  locator: ['read', 'create', 'delete'],
  'media-processor': read,
  'media-stream': run,
  operation: read,
  'period-key': none,
  program: run,
  'storage-account': manage,
  'storage-task': none,
  'streaming-endpoint': ['read', 'update', 'operate'],
  task: read,
}

/** Runs the show: everything but who may do what, where things are stored, and how content is protected. */
const operator: Grants = {
  ...admin,
  account: read,
  'audit-record': none,
  'content-key': read,
  credential: none,
  'delivery-policy': read,
  'event-subscription': read,
  'dead-letter': read,
  'key-authorization-policy': none,
  'storage-account': read,
  'streaming-endpoint': ['read', 'operate'],
}

/** Looks on. What shows secrets, people or addresses of others' machines is not for onlookers. */
const viewer: Grants = {
  account: read,
  asset: read,
  'asset-file': read,
  'audit-record': none,
  channel: read,
  'content-key': none,
  credential: none,
  'dead-letter': none,
  'delivery-policy': read,
  event: read,
  'event-subscription': none,
  filter: read,
  job: read,
  'key-authorization-policy': none,
  locator: read,
  'media-processor': read,
  'media-stream': read,
  operation: read,
  'period-key': none,
  program: read,
  'storage-account': none,
  'storage-task': none,
  'streaming-endpoint': read,
  task: read,
}

/** Accounts, and what was done to them; inside an account it acts as `admin` (see `actIn`). */
const system: Grants = {
  account: manage,
  asset: none,
  'asset-file': none,
  'audit-record': read,
  channel: none,
  'content-key': none,
  credential: none,
  'dead-letter': none,
  'delivery-policy': none,
  event: none,
  'event-subscription': none,
  filter: none,
  job: none,
  'key-authorization-policy': none,
  locator: none,
  'media-processor': none,
  'media-stream': none,
  operation: read,
  'period-key': none,
  program: none,
  'storage-account': none,
  'storage-task': none,
  'streaming-endpoint': none,
  task: none,
}

/** Who may do what, to which kind of thing. */
export const permissions: Readonly<Record<Role, Grants>> = { admin, operator, viewer, system }

/** Whether a role may do this to things of a kind, in the account in which it acts. */
export function may(role: Role, action: Action, resource: Resource): boolean {
  return permissions[role][resource].includes(action)
}

/** @throws AppError `PERMISSION_DENIED` */
export function assertMay(role: Role, action: Action, resource: Resource): void {
  if (may(role, action, resource)) return
  throw new AppError('PERMISSION_DENIED', `The role ${role} may not ${action} a ${resource}.`, {
    details: { role, action, resource },
  })
}

/** In which account a request acts, and as what. */
export type Scope = { readonly role: Role; readonly accountId: string }

/**
 * The scope of a request: a credential's own account, or the account that a `system` credential picked by the header
 * `Headend-Account`, as its `admin`. Managing accounts is judged by the credential's own role instead.
 *
 * @throws AppError `ENTITY_NOT_FOUND` where a credential names an account that is not its own: that one exists is not told.
 */
export function actIn(credential: Scope, picked: string | undefined): Scope {
  if (picked === undefined || picked === credential.accountId) return credential
  if (credential.role === 'system' && picked !== SYSTEM_ACCOUNT) return { role: 'admin', accountId: picked }
  throw new AppError('ENTITY_NOT_FOUND', 'There is no such account.', { details: { kind: 'account' } })
}
