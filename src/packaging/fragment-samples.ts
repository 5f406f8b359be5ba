import { FormatError } from '../lib/errors.ts'
import { readBoxes, requireBox } from '../media/isobmff/boxes.ts'
import { readMovie, type SampleDefaults } from '../media/isobmff/movie.ts'
import { readMovieFragment } from '../media/isobmff/movie-fragment.ts'
import type { StoredMedia } from './segment-packaging.ts'

/** A sample where it is stored: `from` ≤ offset < `to` of `bytes`. Times are of the track's timescale. */
export type StoredSample = {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly dtsTicks: number
  readonly compositionTicks: number
  readonly durationTicks: number
  readonly independent: boolean
}

/** More than a segment has: what a `trun` announces without a byte of its own is bounded by this alone. */
const MAX_SAMPLES = 131_072

/** The samples of a stored segment, in their order and without a copy. @throws FormatError for what is no CMAF of one track */
export function samplesOf({ track, fragments }: Pick<StoredMedia, 'track' | 'fragments'>): StoredSample[] {
  const defaults = defaultsOf(track.init)
  const samples: StoredSample[] = []
  for (const bytes of fragments) {
    for (const box of readBoxes(bytes, '')) {
      if (box.type !== 'moof') continue
      for (const run of readMovieFragment(box, box.start, defaults)) {
        let dtsTicks = run.baseDecodeTicks ?? endOf(samples)
        for (const { offset: from, sizeBytes, durationTicks, compositionTicks, independent } of run.samples) {
          const to = from + sizeBytes
          if (samples.length === MAX_SAMPLES) throw new FormatError(box.path, from, `more than ${MAX_SAMPLES} samples`)
          if (from < 0 || to > bytes.byteLength) throw new FormatError(box.path, from, 'a sample outside its fragment')
          samples.push({ bytes, from, to, dtsTicks, compositionTicks, durationTicks, independent })
          dtsTicks += durationTicks
        }
      }
    }
  }
  if (samples.length === 0) throw new FormatError('moof', 0, 'no samples')
  return samples
}

function endOf(samples: readonly StoredSample[]): number {
  const last = samples.at(-1)
  return last ? last.dtsTicks + last.durationTicks : 0
}

function defaultsOf(init: Uint8Array): ReadonlyMap<number, SampleDefaults> {
  const moov = requireBox(readBoxes(init, ''), 'moov', 'init')
  return readMovie(moov).defaults
}
