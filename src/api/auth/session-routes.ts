import { z } from 'zod'
import { type Credential, credentialViewSchema, parseApiKey } from '../../domain/credential.ts'
import { formatTimestamp, timestampSchema } from '../../domain/scalars.ts'
import { AppError } from '../../lib/errors.ts'
import { type Answer, type Caller, type RestRequest, type Route, route } from '../rest/route.ts'
import type { Auth } from './open-auth.ts'
import { assertNoForeignPage, assertOwnPage } from './page-origin.ts'
import { notLetIn, notShown } from './refusal.ts'
import { readSessionCookie, sessionCookie } from './session-cookie.ts'
import type { TokenClaims } from './signed-tokens.ts'

const path = '/v1/session'
const tag = 'sessions'

const createSchema = z
  .strictObject({
    apiKey: z
      .string()
      .min(1)
      .max(256)
      .meta({ description: 'An API key.', example: 'hk_4fZ0mTq2LrX8bNcVdKs1Ye_…' })
      .optional(),
  })
  .meta({ id: 'SessionCreate', description: 'A login; the key may also come as `Authorization: Bearer …`.' })

const { id, name, role, accountId } = credentialViewSchema.shape

const sessionSchema = z
  .strictObject({
    credential: z.strictObject({ id, name, role }),
    accountId,
    via: z.enum(['api-key', 'token', 'session']).meta({ description: 'How this request showed who it is.' }),
    expiresAt: timestampSchema.optional().meta({ description: 'When the session ends.' }),
  })
  .meta({ id: 'Session', description: 'Who one is.' })

function show(credential: Credential, via: Caller['via'], expiresAt?: number): z.output<typeof sessionSchema> {
  return {
    credential: { id: credential.id, name: credential.name, role: credential.role },
    accountId: credential.accountId,
    via,
    ...(expiresAt !== undefined && { expiresAt: formatTimestamp(expiresAt) }),
  }
}

/** `/v1/session`: a browser's session, made from a credential and kept in a cookie that no script can read. */
export function sessionRoutes({ auth }: { readonly auth: Auth }): Route[] {
  const answer = { description: 'Who one is.', schema: sessionSchema }
  return [
    route({
      method: 'post',
      path,
      operationId: 'createSession',
      summary: 'Log a browser in; the session comes as a cookie',
      tag,
      access: 'anyone',
      body: createSchema,
      bodyOptional: true,
      answers: { 201: answer },
      handle: (request) => begin(auth, request),
    }),
    route({
      method: 'get',
      path,
      operationId: 'getSession',
      summary: 'Who one is',
      tag,
      access: 'caller',
      answers: { 200: answer },
      handle: (request) => whoAmI(auth, request),
    }),
    route({
      method: 'delete',
      path,
      operationId: 'deleteSession',
      summary: 'Log a browser out',
      tag,
      access: 'anyone',
      answers: { 204: { description: 'There is no session any more.' } },
      handle: (request) => end(auth, request),
    }),
  ]
}

/** What page a request comes from. Only the method of the route reaches its handler. */
function pageOf(method: string, { header, base }: RestRequest) {
  return { method, header, secure: base.secure }
}

async function begin(auth: Auth, request: RestRequest<unknown, z.output<typeof createSchema>>): Promise<Answer> {
  const { address, base, body, header, requestId } = request
  // Else another site could log its visitors in as somebody else.
  assertNoForeignPage(pageOf('POST', request))
  const key = body.apiKey ?? /^Bearer +(\S+) *$/i.exec(header('Authorization') ?? '')?.[1]
  if (key === undefined) throw notShown()
  const login = parseApiKey(key)
  if (!login) throw notLetIn('This is no API key: one begins with hk_ and was shown when the credential was made.')
  const credential = await auth.authenticator.bySecret(login, address)
  const { token, expiresAt } = await auth.sessions.begin(credential)
  await auth.audit.done('session.create', credential, address, requestId)
  const cookie = sessionCookie(token, auth.sessions.lifetimeMs, base.secure)
  return {
    status: 201,
    body: show(credential, 'session', expiresAt),
    headers: { 'Set-Cookie': cookie, Location: path },
  }
}

async function whoAmI(auth: Auth, request: RestRequest): Promise<Answer> {
  const { caller, header, base } = request
  const credential = await auth.repository.findAnywhere('credential', caller.credentialId)
  if (!credential) throw notLetIn('The credential has just been deleted.')
  const token = caller.via === 'session' ? readSessionCookie(header, base.secure) : undefined
  const claims = token === undefined ? undefined : await auth.tokens.read('session', token)
  return { status: 200, body: show(credential, caller.via, claims?.expiresAt) }
}

/** Repeatable: a session that has ended already is no reason to keep the cookie. */
async function end(auth: Auth, request: RestRequest): Promise<Answer> {
  const { address, base, header, requestId } = request
  const token = readSessionCookie(header, base.secure)
  if (token !== undefined) {
    assertOwnPage(pageOf('DELETE', request))
    const claims = await liveClaims(auth, token)
    if (claims) {
      await auth.sessions.end(claims)
      const credential = await auth.repository.findAnywhere('credential', claims.credentialId)
      if (credential) await auth.audit.done('session.delete', credential, address, requestId)
    }
  }
  return { status: 204, headers: { 'Set-Cookie': sessionCookie('', 0, base.secure) } }
}

/** What a session says that could still be used. */
async function liveClaims(auth: Auth, token: string): Promise<TokenClaims | undefined> {
  try {
    return await auth.tokens.read('session', token)
  } catch (error) {
    if (error instanceof AppError && error.code === 'UNAUTHENTICATED') return undefined
    throw error
  }
}
