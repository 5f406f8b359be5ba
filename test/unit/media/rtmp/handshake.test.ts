import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../../../src/lib/errors.ts'
import {
  answerHandshake,
  findDigest,
  HANDSHAKE_BYTES,
  ServerHandshake,
  signPacket,
} from '../../../../src/media/rtmp/handshake.ts'

const zeros = (count: number) => new Uint8Array(count)
const plainC1 = Uint8Array.from({ length: HANDSHAKE_BYTES }, (_, i) => (i < 8 ? 0 : i & 0xff))

function signedC1(scheme: 8 | 772): Uint8Array {
  const c1 = Uint8Array.from(plainC1)
  c1.set([9, 0, 124, 2], 4)
  signPacket(c1, 'client', scheme)
  return c1
}

describe('handshake', () => {
  it('echoes C1 to a plain client', () => {
    const answer = answerHandshake(plainC1, zeros)
    expect(answer.byteLength).toBe(1 + 2 * HANDSHAKE_BYTES)
    expect(answer[0]).toBe(3)
    expect([...answer.subarray(1, 9)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    expect(answer.subarray(1 + HANDSHAKE_BYTES)).toEqual(plainC1)
  })

  it.each([8, 772] as const)('signs for a client that signed behind byte %i', (scheme) => {
    const c1 = signedC1(scheme)
    const answer = answerHandshake(c1, zeros)
    expect(findDigest(answer.subarray(1, 1 + HANDSHAKE_BYTES), 'server')?.scheme).toBe(scheme)
    // S2 is signed with a key made of the client's digest, as Flash checks it.
    const tail = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex')
    const key = Buffer.concat([Buffer.from('Genuine Adobe Flash Media Server 001'), tail])
    const digest = findDigest(c1, 'client')?.digest ?? zeros(0)
    const s2 = answer.subarray(1 + HANDSHAKE_BYTES)
    const secret = createHmac('sha256', key).update(digest).digest()
    const signature = createHmac('sha256', secret)
      .update(s2.subarray(0, HANDSHAKE_BYTES - 32))
      .digest()
    expect(Buffer.from(s2.subarray(HANDSHAKE_BYTES - 32))).toEqual(signature)
  })

  it('takes a signature with one wrong bit for a plain packet', () => {
    const c1 = signedC1(8)
    c1[1535] = (c1[1535] ?? 0) ^ 1
    expect(findDigest(c1, 'client')).toBeUndefined()
  })

  it.each([0, 2, 4, 6, 0x16, 0x47])('refuses version %i at its first byte', (version) => {
    expect(() => new ServerHandshake(zeros).push(Uint8Array.of(version))).toThrow(FormatError)
  })

  it.each([1, 2, 7, 1535, 1536, 1537, 4000])('eats pieces of %i bytes and leaves what follows', (size) => {
    const handshake = new ServerHandshake(zeros)
    const all = Buffer.concat([Uint8Array.of(3), plainC1, zeros(HANDSHAKE_BYTES), Uint8Array.of(1, 2, 3)])
    const answers: Uint8Array[] = []
    let used = 0
    for (let at = 0; at < all.length; at += size) {
      if (handshake.done) break
      const result = handshake.push(all.subarray(at, at + size))
      if (result.answer) answers.push(result.answer)
      used += result.used
    }
    expect(handshake.done).toBe(true)
    expect(used).toBe(all.length - 3)
    expect(answers).toEqual([answerHandshake(plainC1, zeros)])
  })
})
