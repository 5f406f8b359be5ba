import { crc32, gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joinCrc32 } from '../../../src/origin/crc-joining.ts'
import { compressPiece, decompress, joinPieces } from '../../../src/origin/gzip-pieces.ts'
import { run } from '../../support/ffmpeg.ts'

describe('CRC-32 of two runs', () => {
  test('is that of both in a row', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 5_000 }), (first, second) => {
        const joined = joinCrc32(crc32(first), crc32(second), second.byteLength)
        expect(joined).toBe(crc32(Buffer.concat([first, second])))
      }),
    )
  })

  test('also where the second has more bits than 2^32', () => {
    const zeros = new Uint8Array(2 ** 20)
    const inSteps = (crc: number) => {
      let joined = crc
      for (let left = 520; left > 0; left--) joined = joinCrc32(joined, crc32(zeros), zeros.byteLength)
      return joined
    }
    expect(joinCrc32(crc32(Uint8Array.of(7)), inSteps(0), 520 * zeros.byteLength)).toBe(
      inSteps(crc32(Uint8Array.of(7))),
    )
  })
})

describe('gzip in pieces', () => {
  test('reads as one text, whatever the pieces are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme', maxLength: 200 }), { maxLength: 12 }), async (texts) => {
        const pieces = await Promise.all(texts.map(compressPiece))
        const zipped = joinPieces(pieces)
        expect(gunzipSync(zipped).toString()).toBe(Buffer.from(texts.join('')).toString())
        expect(Buffer.from(await decompress(zipped)).toString()).toBe(Buffer.from(texts.join('')).toString())
      }),
      { numRuns: 50 },
    )
  })

  test("gzip(1) and the browsers' DecompressionStream take it for one whole file", async () => {
    const pieces = await Promise.all(['a'.repeat(20_000), '', 'tail\n'].map(compressPiece))
    const zipped = joinPieces(pieces)
    const stream = new Blob([Uint8Array.from(zipped)]).stream().pipeThrough(new DecompressionStream('gzip'))
    expect(await new Response(stream).text()).toBe(`${'a'.repeat(20_000)}tail\n`)
    const { stdout } = await run('bash', [
      '-c',
      `printf %s ${Buffer.from(zipped).toString('base64')} | base64 -d | gzip -dc | wc -c`,
    ])
    expect(stdout.trim()).toBe('20005')
  })
})
