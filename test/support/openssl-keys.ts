import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A key pair that openssl made, in PEM; `certificate` holds the same public key. */
export type OpensslPair = { readonly privateKey: string; readonly publicKey: string; readonly certificate: string }

const OPTIONS = {
  rsa: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'rsa-1024': ['RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  p256: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  ed25519: ['ED25519'],
} as const

/** A new pair. */
export function opensslPair(kind: keyof typeof OPTIONS): OpensslPair {
  const folder = mkdtempSync(join(tmpdir(), 'headend-openssl-'))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  try {
    openssl('genpkey', '-algorithm', ...OPTIONS[kind], '-out', 'private.pem')
    openssl('pkey', '-in', 'private.pem', '-pubout', '-out', 'public.pem')
    openssl('req', '-x509', '-key', 'private.pem', '-subj', '/CN=issuer', '-days', '1', '-out', 'certificate.pem')
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    return {
      privateKey: read('private.pem'),
      publicKey: read('public.pem'),
      certificate: read('certificate.pem'),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
