import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { formatApiKey, newCredentialSecret, parseApiKey } from '../../src/domain/credential.ts'
import { newId } from '../../src/domain/kinds.ts'
import type { TestApi } from './api-harness.ts'

/** A key of no credential. */
export const strangerKey = () => formatApiKey(newId('credential', randomBytes), newCredentialSecret(randomBytes))

/** The same credential with a secret that it doesn't have. */
export function wrongKey(apiKey: string): string {
  return formatApiKey(parseApiKey(apiKey)!.credentialId, newCredentialSecret(randomBytes))
}

/** What was written down of an account, oldest first. */
export async function auditOf(api: TestApi, accountId: string = api.account.id) {
  const page = await api.store.readRecords({ log: 'audit', accountId, order: 'oldest-first', limit: 1_000 })
  return page.records.map(({ body }) => body as Record<string, unknown>)
}

/** A token request with a form. */
export function tokenRequest(api: TestApi, form: Record<string, string>, headers: Record<string, string> = {}) {
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
  return api.call('POST', '/v1/oauth/token', { body: `${new URLSearchParams(form)}`, headers: { ...type, ...headers } })
}

/** A credential as OAuth names it. */
export function clientOf(apiKey: string): { client_id: string; client_secret: string } {
  const { credentialId, secret } = parseApiKey(apiKey)!
  return { client_id: credentialId, client_secret: secret }
}

/** What each token request says. */
export const grant = { grant_type: 'client_credentials' }

/** A short token made of a key. */
export async function tokenOf(api: TestApi, apiKey: string): Promise<string> {
  return (await tokenRequest(api, { ...grant, ...clientOf(apiKey) })).json.access_token
}

/** What a browser keeps of a login. */
export async function login(api: TestApi, apiKey: string): Promise<string> {
  const answer = await api.call('POST', '/v1/session', { body: { apiKey } })
  expect(answer.status).toBe(201)
  return answer.headers.get('Set-Cookie')!.split(';')[0]!
}
