import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { type Answer, type RestRequest, type Route, route } from '../rest/route.ts'
import { clientLogin } from './client-credentials.ts'
import { oauthError, oauthErrorAnswer } from './oauth-error.ts'
import type { Auth } from './open-auth.ts'

// What is wrong with the fields has to be said in OAuth's own words: the handler looks at them, not the router.
const text = (description: string, example: string) => z.unknown().meta({ type: 'string', description, example })

const requestSchema = z
  .looseObject({
    grant_type: text('Always `client_credentials`.', 'client_credentials'),
    client_id: text('Unless by HTTP Basic.', 'cr_4fZ0mTq2LrX8bNcVdKs1Ye'),
    client_secret: text('Unless by HTTP Basic.', 'k3tq0aJ4dBv7sYw1mXc9eRf2hLn6pUzG8iQoS5yTVbA'),
  })
  .partial()
  .meta({ id: 'TokenRequest', description: 'A request for a token (RFC 6749 §4.4.2).' })

const answerSchema = z
  .strictObject({
    access_token: z.string().meta({ description: 'Send it as `Authorization: Bearer …`.' }),
    token_type: z.literal('Bearer'),
    expires_in: z.int().meta({ description: 'In seconds.', example: 900 }),
  })
  .meta({ id: 'Token', description: 'A short token (RFC 6749 §5.1).' })

const errorSchema = z
  .strictObject({
    error: z.enum(['invalid_request', 'invalid_client', 'unsupported_grant_type', 'invalid_scope']),
    error_description: z.string(),
  })
  .meta({ id: 'TokenError', description: 'Why there is no token (RFC 6749 §5.2).' })

/** `POST /v1/oauth/token`: OAuth 2.0 client credentials (RFC 6749 §4.4). */
export function oauthRoutes({ auth }: { readonly auth: Auth }): Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/oauth/token',
      operationId: 'createToken',
      summary: 'Get a short token for a client id and secret',
      tag: 'sessions',
      access: 'anyone',
      body: requestSchema,
      bodyOptional: true,
      form: true,
      answers: {
        200: { description: 'The token.', schema: answerSchema },
        400: { description: 'The request is not what it should be.', schema: errorSchema },
        401: { description: 'The client is not known by this id and secret.', schema: errorSchema },
      },
      handle: (request) => createToken(auth, request),
    }),
  ]
}

async function createToken(auth: Auth, request: RestRequest<unknown, z.output<typeof requestSchema>>): Promise<Answer> {
  const { address, body, header, requestId } = request
  const login = clientLogin(body, header('Authorization'))
  if ('error' in login) return oauthErrorAnswer(login)
  try {
    const credential = await auth.authenticator.bySecret(login, address)
    const { token } = await auth.tokens.issue('token', credential, auth.tokenLifetimeMs)
    await auth.audit.done('token.create', credential, address, requestId)
    return {
      status: 200,
      body: { access_token: token, token_type: 'Bearer', expires_in: Math.floor(auth.tokenLifetimeMs / 1_000) },
      headers: { Pragma: 'no-cache' },
    }
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'UNAUTHENTICATED') throw error
    return oauthErrorAnswer(oauthError('invalid_client', error.message, login.byHeader))
  }
}
