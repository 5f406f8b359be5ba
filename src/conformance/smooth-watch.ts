import { checkSmoothFragment, smoothAddressOf } from './smooth-fragment-rules.ts'
import { checkSmoothReload, readSmooth, type SmoothReading } from './smooth-manifest-rules.ts'
import type { Violation } from './violation.ts'

/** Presentations of which the newest reading is kept. */
const MAX_KEPT = 32
/** Fragments that these list together: some megabytes. */
const MAX_CHUNKS = 65_536
/** The manifest that a player reloads; one with options beside the format may show less. */
const PLAIN_MANIFEST = /^(.*\.isml?\/)manifest(?:\(\s*format=fmp4-v20\s*\))?$/i
const FOLDER = /^.*\.isml?\//i

/** Smooth Streaming as it is answered: manifests against those before them, fragments against the manifest that lists them. */
export class SmoothWatch {
  /** By the folder that manifest and fragments share; the one looked at longest ago first. */
  readonly #readings = new Map<string, SmoothReading>()
  #chunks = 0

  /** Checks a manifest. `isPlain`: asked for without a query. */
  manifest(path: string, text: string, isPlain: boolean): readonly Violation[] {
    const { reading, violations } = readSmooth(text)
    const folder = isPlain ? PLAIN_MANIFEST.exec(path)?.[1] : undefined
    if (!reading || folder === undefined) return violations
    const before = this.#readings.get(folder)
    this.#forget(folder)
    this.#readings.set(folder, reading)
    this.#chunks += chunksOf(reading)
    for (const oldest of this.#readings.keys()) {
      if (this.#readings.size <= MAX_KEPT && this.#chunks <= MAX_CHUNKS) break
      this.#forget(oldest)
    }
    return before ? [...violations, ...checkSmoothReload(before, reading)] : violations
  }

  #forget(folder: string): void {
    const reading = this.#readings.get(folder)
    if (reading) this.#chunks -= chunksOf(reading)
    this.#readings.delete(folder)
  }

  /** Checks a fragment, or its `moof` alone, by what its path says and the newest manifest lists. */
  fragment(path: string, bytes: Uint8Array): readonly Violation[] {
    const address = smoothAddressOf(path)
    if (!address) return []
    return checkSmoothFragment(bytes, address, this.#readings.get(FOLDER.exec(path)?.[0] ?? ''))
  }
}

function chunksOf({ streams }: SmoothReading): number {
  return streams.reduce((sum, { chunks }) => sum + chunks.length, 0)
}
