import { createCipheriv, createSecretKey } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { runBareServer } from './bare-server.ts'

/**
 * The least that a server in Node can do for an encrypted body: `/{scheme}/{bytes}/{samples}` reads it from the page cache, has `node:crypto`
 * pass over it as the scheme has it, and sends it. `cenc`: AES-CTR, an IV for each sample. `cbcs`: AES-CBC over a tenth of each sample, a
 * chain for each. `cbc`: one chain over all. Nothing is parsed, no box is written, nothing is kept.
 */

const KEY = createSecretKey(Buffer.alloc(16, 0x5a))
/** One call over a whole segment takes fresh memory, which costs more than the cipher. */
const BATCH_BYTES = 65_536
const BLOCK_BYTES = 16

function pass(scheme: string, body: Buffer, samples: number): void {
  const isWhole = scheme === 'cbc'
  const size = isWhole ? body.byteLength : Math.floor(body.byteLength / samples)
  for (let at = 0; at + size <= body.byteLength; at += size) {
    const cipher = createCipheriv(scheme === 'cenc' ? 'aes-128-ctr' : 'aes-128-cbc', KEY, Buffer.alloc(BLOCK_BYTES, at))
    const secret = scheme === 'cbcs' ? Math.floor(size / 10 / BLOCK_BYTES) * BLOCK_BYTES : size
    for (let from = at; from < at + secret; from += BATCH_BYTES) {
      cipher.update(body.subarray(from, Math.min(at + secret, from + BATCH_BYTES))).copy(body, from)
    }
  }
}

async function bodyOf(file: FileHandle, fileBytes: number, url: string): Promise<Buffer> {
  const [, scheme = '', size, samples] = url.split('/')
  const body = Buffer.allocUnsafeSlow(Number(size))
  await file.read(body, 0, body.byteLength, Math.floor(Math.random() * Math.max(1, fileBytes - body.byteLength)))
  if (scheme !== 'clear') pass(scheme, body, Number(samples))
  return body
}

runBareServer(bodyOf)
