import { createHmac } from 'node:crypto'
import { equalBytes } from '../../lib/bytes.ts'
import { FormatError } from '../../lib/errors.ts'

/** Size of C1, C2, S1 and S2 (Adobe RTMP 1.0 §5.2.3). */
export const HANDSHAKE_BYTES = 1536

const RTMP_VERSION = 3
const DIGEST_BYTES = 32

// The keys of the digest handshake, which Flash introduced and librtmp, ffmpeg and hardware encoders still speak.
const KEY_TAIL = Uint8Array.of(
  ...[0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57],
  ...[0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae],
)
const CLIENT_KEY = Buffer.from('Genuine Adobe Flash Player 001', 'latin1')
const SERVER_KEY = Buffer.from('Genuine Adobe Flash Media Server 001', 'latin1')
const SERVER_KEY_LONG = Buffer.concat([SERVER_KEY, KEY_TAIL])

/** Where a digest handshake hides its digest: behind the pointer at byte 8, or behind the one at byte 772. */
type DigestScheme = 8 | 772

/** Who made the handshake packet; each side signs with its own key. */
export type HandshakeRole = 'client' | 'server'

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const digest = createHmac('sha256', key)
  for (const part of parts) digest.update(part)
  return digest.digest()
}

function digestOffset(packet: Uint8Array, scheme: DigestScheme): number {
  let sum = 0
  for (const byte of packet.subarray(scheme, scheme + 4)) sum += byte
  return scheme + 4 + (sum % 728)
}

function digestOf(packet: Uint8Array, offset: number, role: HandshakeRole): Uint8Array {
  const key = role === 'client' ? CLIENT_KEY : SERVER_KEY
  return hmac(key, packet.subarray(0, offset), packet.subarray(offset + DIGEST_BYTES))
}

/** The digest that `role` has put into a C1 or S1, with where it stands; `undefined` when the packet is a plain one. */
export function findDigest(
  packet: Uint8Array,
  role: HandshakeRole,
): { readonly scheme: DigestScheme; readonly digest: Uint8Array } | undefined {
  for (const scheme of [772, 8] as const) {
    const offset = digestOffset(packet, scheme)
    const digest = packet.subarray(offset, offset + DIGEST_BYTES)
    if (equalBytes(digest, digestOf(packet, offset, role))) return { scheme, digest }
  }
  return undefined
}

/** Signs a C1 or S1 in place, as `role`. */
export function signPacket(packet: Uint8Array, role: HandshakeRole, scheme: DigestScheme): void {
  const offset = digestOffset(packet, scheme)
  packet.set(digestOf(packet, offset, role), offset)
}

/** Where the handshake takes its random bytes from, so that a test can have golden ones. */
export type RandomSource = (count: number) => Uint8Array

/** S0, S1 and S2 for a whole C1: the echo of the specification, or a signed answer to a client that signed. */
export function answerHandshake(c1: Uint8Array, random: RandomSource): Uint8Array {
  const answer = new Uint8Array(1 + 2 * HANDSHAKE_BYTES)
  answer[0] = RTMP_VERSION
  const s1 = answer.subarray(1, 1 + HANDSHAKE_BYTES)
  const s2 = answer.subarray(1 + HANDSHAKE_BYTES)
  s1.set(random(HANDSHAKE_BYTES - 8), 8)
  const signed = findDigest(c1, 'client')
  if (!signed) {
    s2.set(c1)
    return answer
  }
  // A server version of 3 or more is what makes a digest client check the signature.
  s1.set([4, 5, 0, 1], 4)
  signPacket(s1, 'server', signed.scheme)
  const filler = random(HANDSHAKE_BYTES - DIGEST_BYTES)
  s2.set(filler)
  s2.set(hmac(hmac(SERVER_KEY_LONG, signed.digest), filler), HANDSHAKE_BYTES - DIGEST_BYTES)
  return answer
}

/**
 * The server's side of the handshake (Adobe RTMP 1.0 §5.2): eats C0, C1 and C2 in pieces of any size. C2 is not compared
 * with S1, because encoders are known to send anything there.
 */
export class ServerHandshake {
  readonly #random: RandomSource
  readonly #c1 = new Uint8Array(HANDSHAKE_BYTES)
  #eaten = 0

  constructor(random: RandomSource) {
    this.#random = random
  }

  get done(): boolean {
    return this.#eaten === 1 + 2 * HANDSHAKE_BYTES
  }

  /**
   * Eats what belongs to the handshake from the start of `bytes`; `answer` is S0..S2 in the call that completes C1.
   * A version other than 3 is a `FormatError`.
   */
  push(bytes: Uint8Array): { readonly used: number; readonly answer: Uint8Array | undefined } {
    let used = 0
    let answer: Uint8Array | undefined
    if (this.#eaten === 0 && bytes.byteLength > 0) {
      if (bytes[0] !== RTMP_VERSION) throw new FormatError('handshake/c0', 0, `version ${bytes[0]}, not 3`)
      used = this.#eaten = 1
    }
    if (this.#eaten >= 1 && this.#eaten <= HANDSHAKE_BYTES) {
      const part = bytes.subarray(used, used + 1 + HANDSHAKE_BYTES - this.#eaten)
      this.#c1.set(part, this.#eaten - 1)
      this.#eaten += part.byteLength
      used += part.byteLength
      if (this.#eaten === 1 + HANDSHAKE_BYTES) answer = answerHandshake(this.#c1, this.#random)
    }
    if (this.#eaten > HANDSHAKE_BYTES) {
      const count = Math.min(bytes.byteLength - used, 1 + 2 * HANDSHAKE_BYTES - this.#eaten)
      this.#eaten += count
      used += count
    }
    return { used, answer }
  }
}
