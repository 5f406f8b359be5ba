import { Av1TileFinder } from '../../media/codecs/av1-tiles.ts'
import { Vp9FrameFinder } from '../../media/codecs/vp9-frames.ts'
import type { CodecConfig, VideoConfig } from '../../media/media.ts'
import { nalSubsamples } from './nal-subsamples.ts'
import { type SubsampleFinder, SubsampleList } from './subsamples.ts'
import type { TrackProtection } from './track-protection.ts'

/** What of a track's samples is protected: of sound all of it. @throws FormatError for a configuration that is broken */
export function subsampleFinder(config: CodecConfig, scheme: TrackProtection['scheme']): SubsampleFinder {
  if (config.kind === 'audio') return { find: () => undefined }
  // CMAF and the AV1 binding ask for whole blocks with `cenc`, so that a range's counter can be told from the bytes before it.
  const wholeBlocks = scheme === 'cenc'
  if (config.codec === 'av1') return av1Subsamples(config, wholeBlocks)
  if (config.codec === 'vp9') return vp9Subsamples()
  return nalSubsamples(config, wholeBlocks)
}

/** Whether what is protected of a sample depends on the samples before it, back to a key frame. */
export function dependsOnPreceding({ codec }: CodecConfig): boolean {
  return codec === 'av1' || codec === 'vp9'
}

/** AV1: the tiles, each a subsample of its own ("AV1 Codec ISO Media File Format Binding" §4.3). */
function av1Subsamples({ record }: VideoConfig, wholeBlocks: boolean): SubsampleFinder {
  const finder = new Av1TileFinder(record)
  return {
    find: (sample) => {
      const list = new SubsampleList(wholeBlocks)
      let end = 0
      for (const { from, to } of finder.tilesOf(sample)) {
        list.add(from - end, to - from)
        end = to
      }
      list.add(sample.byteLength - end, 0)
      return list.finish()
    },
  }
}

/** VP9: each frame behind its uncompressed header, whole blocks with every scheme ("VP Codec ISO Media File Format Binding" §5). */
function vp9Subsamples(): SubsampleFinder {
  const finder = new Vp9FrameFinder()
  return {
    find: (sample) => {
      const list = new SubsampleList(true)
      let end = 0
      for (const { from, to, headerBytes } of finder.framesOf(sample)) {
        list.add(headerBytes, to - from - headerBytes)
        end = to
      }
      list.add(sample.byteLength - end, 0)
      return list.finish()
    },
  }
}
