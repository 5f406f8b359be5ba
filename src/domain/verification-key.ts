import type { KeyObject } from 'node:crypto'
import { z } from 'zod'
import { messageOf } from '../lib/errors.ts'
import { type PublicKeyText, publicKeyOf } from './public-key.ts'

const MIN_RSA_BITS = 2_048
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']

const pem = z.string().min(64).max(16_384).meta({ description: 'PEM: a public key, or a certificate.' })

/** What a token's signature is verified with. */
export const verificationKeySchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('symmetric'), value: z.base64().min(24).max(1_024) }),
    z.strictObject({ kind: z.enum(['rsa', 'ec', 'ed25519', 'x509']), pem }),
  ])
  .superRefine((key, context) => {
    const problem = key.kind === 'symmetric' ? undefined : problemOf(key)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['pem'], message: problem })
  })
  .meta({ description: 'What a token’s signature is verified with.' })

/** A key that tokens are verified with, as it is stored. */
export type VerificationKey = z.output<typeof verificationKeySchema>

/** What is wrong with it; a private key, from which the platform would take the public one, is not for us to keep. */
function problemOf(key: PublicKeyText): string | undefined {
  if (/PRIVATE KEY/.test(key.pem)) return 'is a private key: give the public one, and make a new pair'
  let found: KeyObject
  try {
    found = publicKeyOf(key)
  } catch (error) {
    return `holds no ${key.kind === 'x509' ? 'certificate' : 'public key'}: ${messageOf(error)}`
  }
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: { modulusLength = 0, namedCurve = '' } = {} } = found
  const isRsa = type === 'rsa' || type === 'rsa-pss'
  if (isRsa && modulusLength < MIN_RSA_BITS) return `has ${modulusLength} bits: an RSA key needs ${MIN_RSA_BITS}`
  if (type === 'ec' && !CURVES.includes(namedCurve))
    return `is on the curve ${namedCurve}: P-256, P-384 or P-521 is wanted`
  const isKind = {
    rsa: isRsa,
    ec: type === 'ec',
    ed25519: type === 'ed25519',
    x509: isRsa || type === 'ec' || type === 'ed25519',
  }
  return isKind[key.kind] ? undefined : `is a key of the kind ${type}`
}
