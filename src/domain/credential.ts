import { z } from 'zod'
import { type Draft, envelope, labels, ownedOrSystem } from './envelope.ts'
import { idPrefixes, newId, newSecret, type RandomBytes } from './kinds.ts'
import { patchOf } from './merge-patch.ts'
import { roles } from './permissions.ts'
import { timestampSchema } from './scalars.ts'

const settings = {
  ...labels,
  expiresAt: timestampSchema.optional().meta({ description: 'From then on it is refused.' }),
}
const role = z.enum(roles).meta({ description: 'What it may do.', example: 'operator' })
const grantable = z.enum(roles).exclude(['system']).meta({ description: 'What it may do.', example: 'operator' })

/** What a client states to make a credential; the role stays what it is. */
export const credentialCreateSchema = z.strictObject({ ...settings, role: grantable }).meta({
  id: 'CredentialCreate',
  description: 'A new credential: its API key is shown once, in the answer.',
  example: { name: 'automation', role: 'operator' },
})

/** What may change of a credential. */
export const credentialPatchSchema = patchOf(z.strictObject(settings)).meta({
  id: 'CredentialPatch',
  description: 'A merge patch of a credential.',
  example: { expiresAt: '2027-01-01T00:00:00Z' },
})

const shown = { ...envelope('credential'), ...ownedOrSystem, ...settings, role }

/** A credential as it is stored: of the secret there is only a hash. */
export const credentialSchema = z.strictObject({ ...shown, secretHash: z.string().min(1).max(256) })

/** A credential as it is shown. */
export const credentialViewSchema = z
  .strictObject(shown)
  .meta({ id: 'Credential', description: 'Who may call the API, and as what. Never shows its secret again.' })

/** The answer to making one: the only time that its secret is told. */
export const credentialCreatedSchema = z
  .strictObject({
    ...shown,
    apiKey: z.string().meta({ description: 'Shown once. Send it as `Authorization: Bearer …`.' }),
    clientId: z.string().meta({ description: 'For OAuth 2.0 client credentials.' }),
    clientSecret: z.string().meta({ description: 'Shown once.' }),
  })
  .meta({ id: 'CredentialCreated', description: 'A credential with its secret, shown this once.' })

/** A credential as it is stored. */
export type Credential = z.output<typeof credentialSchema>

const SECRET_BYTES = 32
const API_KEY = /^hk_([0-9A-Za-z]{22})_([0-9A-Za-z_-]{43})$/

/** The secret of a new credential: 256 random bits as base64url. */
export function newCredentialSecret(random: RandomBytes): string {
  return newSecret(SECRET_BYTES, random)
}

/** A new credential; `secretHash` is what the caller made of the secret. */
export function newCredential(
  given: Omit<z.output<typeof credentialCreateSchema>, 'role'> & Pick<Credential, 'role'>,
  accountId: Credential['accountId'],
  secretHash: string,
  random: RandomBytes,
): Draft<Credential> {
  return { id: newId('credential', random), accountId, ...given, secretHash }
}

/** The API key of a credential: its id and its secret in one text. */
export function formatApiKey(credentialId: string, secret: string): string {
  return `hk_${credentialId.slice(idPrefixes.credential.length + 1)}_${secret}`
}

/** A text that has the form of an API key, taken apart; `undefined` where it has not. */
export function parseApiKey(text: string): { readonly credentialId: string; readonly secret: string } | undefined {
  const [, id, secret] = API_KEY.exec(text) ?? []
  return id === undefined || secret === undefined
    ? undefined
    : { credentialId: `${idPrefixes.credential}_${id}`, secret }
}

/** Whether a credential is still to be let in. */
export function isCredentialValid(credential: Pick<Credential, 'expiresAt'>, nowMs: number): boolean {
  return credential.expiresAt === undefined || nowMs < Date.parse(credential.expiresAt)
}
