import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { ChangeSet } from '../../domain/change-set.ts'
import type { Id, Kind } from '../../domain/kinds.ts'
import type { Action, Resource, Role, Scope } from '../../domain/permissions.ts'
import type { Committed } from '../../domain/repository.ts'
import type { Subject } from '../../domain/subject.ts'

/** Who is calling: what a credential, however it was shown, stands for. */
export type Caller = Scope & {
  readonly credentialId: string
  /** How it came: the key itself, a short token made from it, or a browser's session. */
  readonly via: 'api-key' | 'token' | 'session'
}

/** What an idempotent POST made, for a repetition of the request to be answered from. */
export type Made = { readonly status: 200 | 201 | 202; readonly id: string }

/** A request as a route's handler gets it: known caller, allowed, and valid by the route's schemas. */
export type RestRequest<Query = unknown, Body = unknown> = {
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  /** The raw body, where the route takes bytes. */
  readonly stream: Readable
  readonly caller: Caller
  /** The role and account in which this request acts. */
  readonly role: Role
  readonly accountId: Id<'account'>
  /** Of `If-Match`: the etag that the client has seen; see `assertSeen`. */
  readonly ifMatch: string | undefined
  readonly header: (name: string) => string | undefined
  readonly address: string
  readonly requestId: string
  /** Scheme and host by which the client reached us, for URLs in answers. */
  readonly base: { readonly secure: boolean; readonly host: string | undefined }
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  /** A change set that says in the audit log who did what: `fields` are JSON pointers of what changed. */
  changes(action: string, subject: Subject, fields?: readonly string[]): ChangeSet
  /** Commits, once, and remembers what was made for a repetition of the request. */
  commit(changes: ChangeSet, made?: Made): Promise<Committed>
}

/** What a handler answers with; the etag of a body that is an entity becomes the answer's. */
export type Answer = {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes instead of JSON, with `Content-Type` among the headers. */
  readonly stream?: Readable
}

/** Who may call a route. `own`: judged by the credential's own role and account, whatever account it has picked. */
export type Access =
  | 'anyone'
  | 'caller'
  | { readonly action: Action; readonly resource: Resource; readonly as?: 'picked' | 'own' }

/** A documented answer. */
export type AnswerSpec = { readonly description: string; readonly schema?: z.ZodType; readonly mediaType?: string }

/** A route as its resource declares it. */
export type RouteSpec<Query extends z.ZodType, Body extends z.ZodType> = {
  readonly method: 'get' | 'post' | 'patch' | 'put' | 'delete'
  /** As OpenAPI writes it: `/v1/channels/{channelId}/start`. A parameter's name says whose id it is; see `paramKinds`. */
  readonly path: string
  readonly operationId: string
  readonly summary: string
  /** What the summary has no room for, in Markdown. */
  readonly description?: string
  readonly tag: string
  readonly access: Access
  readonly query?: Query
  readonly body?: Body
  /** Of a body that is no JSON: the handler reads `stream` itself. */
  readonly bytes?: true
  /** A form (`application/x-www-form-urlencoded`) is taken too. */
  readonly form?: true
  /** Without a body the schema is given an empty object. */
  readonly bodyOptional?: true
  readonly answers: Readonly<Record<number, AnswerSpec>>
  handle(request: RestRequest<z.output<Query>, z.output<Body>>): Promise<Answer>
  /** How a repetition of an idempotent POST is answered: what it had made, as it is now. */
  recall?(request: RestRequest, made: Made): Promise<Answer>
}

/** A route whatever its schemas are. */
export type Route = Omit<RouteSpec<z.ZodType, z.ZodType>, 'handle'> & {
  handle(request: RestRequest): Promise<Answer>
}

/** Declares a route; the handler sees what the schemas make of query and body. */
export function route<Query extends z.ZodType, Body extends z.ZodType>(spec: RouteSpec<Query, Body>): Route {
  // The router gives the handler what these very schemas have made.
  return spec as unknown as Route
}

/** Whose id a path parameter is. One that is not here is any text. */
export const paramKinds: Readonly<Record<string, Kind>> = {
  accountId: 'account',
  assetId: 'asset',
  channelId: 'channel',
  contentKeyId: 'content-key',
  credentialId: 'credential',
  deadLetterId: 'dead-letter',
  deliveryPolicyId: 'delivery-policy',
  fileId: 'asset-file',
  filterId: 'filter',
  keyAuthorizationPolicyId: 'key-authorization-policy',
  locatorId: 'locator',
  operationId: 'operation',
  programId: 'program',
  storageAccountId: 'storage-account',
  streamingEndpointId: 'streaming-endpoint',
  subscriptionId: 'event-subscription',
}

/** The names of a path's parameters, in order. */
export function pathParams(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
}
