// Computes only: what a PEM holds is better read by the platform than by us.
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

/** A public key, or a certificate (`x509`) that holds one. */
export type PublicKeyText = { readonly kind: 'rsa' | 'ec' | 'ed25519' | 'x509'; readonly pem: string }

/** The public key of a PEM. @throws Error where there is none in it */
export function publicKeyOf({ kind, pem: text }: PublicKeyText): KeyObject {
  return kind === 'x509' ? new X509Certificate(text).publicKey : createPublicKey(text)
}
