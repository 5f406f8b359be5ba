import { describe, expect, it } from 'vitest'
import { BoxWriter } from '../../../../src/media/isobmff/box-writer.ts'
import { type Box, childrenOf, readBoxes, requireBox } from '../../../../src/media/isobmff/boxes.ts'
import { readFileTrack } from '../../../../src/media/isobmff/mp4-index-track.ts'
import { readTrack, writeTrack } from '../../../../src/media/isobmff/track.ts'
import { audio } from '../../channel/channel-bench.ts'

function boxFrom(write: (out: BoxWriter) => void): Box {
  const out = new BoxWriter(1_024)
  write(out)
  return readBoxes(out.finish().slice(), '')[0] as Box
}

describe('the language of a track', () => {
  /** A track of a file that says it in its `elng`, and `deu` in its `mdhd`. */
  function languagesOf(elng: Uint8Array) {
    const trak = boxFrom((out) => writeTrack(out, { trackId: 1, timescale: 48_000, language: 'de', config: audio }))
    const mdia = requireBox(childrenOf(trak), 'mdia', 'trak')
    const children = childrenOf(mdia)
    const said = boxFrom((out) =>
      out.box('trak', () => {
        for (const { type, body } of childrenOf(trak)) {
          if (type !== 'mdia') out.box(type, () => out.append(body))
        }
        out.box('mdia', () => {
          for (const { type, body } of children) out.box(type, () => out.append(body))
          out.box('elng', () => out.append(elng))
        })
      }),
    )
    const read = [readTrack(said), readFileTrack(said, 1_000)]
    return read.map((track) => 'language' in track && track.language)
  }
  const full = (text: string) => Uint8Array.from([0, 0, 0, 0, ...Buffer.from(`${text}\0`)])

  it('is what elng says; what is no tag there is none', () => {
    expect(languagesOf(full('de-CH'))).toEqual(['de-CH', 'de-CH'])
    for (const none of ['', 'de_CH', 'Deutsch (Schweiz)', 'ä', 'x'.repeat(300)])
      expect(languagesOf(full(none))).toEqual(['de', 'de'])
    expect(languagesOf(new Uint8Array(2))).toEqual(['de', 'de'])
  })
})
