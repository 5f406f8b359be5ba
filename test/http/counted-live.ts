import { setImmediate } from 'node:timers/promises'
import { VersionWaiters } from '../../src/log/version-waiters.ts'
import { buildFragment, type FragmentSample } from '../../src/media/cmaf/fragment.ts'
import { contentDigest } from '../../src/origin/child-urls.ts'
import type { OriginPorts } from '../../src/origin/origin-server.ts'
import { partVersionOf } from '../../src/presentation/live-version.ts'
import type { LogRecord, PresentationHeader } from '../../src/presentation/records.ts'
import { FakeLive, START_SECONDS, startOrigin } from './origin-fixture.ts'

export const GRID_MS = 2_000
/** The number of the first cell. */
export const FIRST_NUMBER = (START_SECONDS * 1_000) / GRID_MS
export const PARTS = 4
const PART_SECONDS = 0.5
const SAMPLES = 5

/** A presentation of low latency on the epoch grid, made part by part of true fragments: of each rendition four to a segment. */
export class CountedLive extends FakeLive {
  readonly waiters = new VersionWaiters(partVersionOf)
  /** Where the open segment starts, in seconds after the first cell. */
  #at = 0
  #made: [number, number] = [0, 0]
  #count = 0
  #discontinuity = 0
  /** Of segments that were given up; their bytes are gone. */
  readonly #timescales = [90_000, 48_000] as const

  constructor(header: Partial<PresentationHeader> = {}) {
    super({ partDurationMs: 500, gridMs: GRID_MS, ...header })
    this.addTracks()
  }

  apply(record: LogRecord): this {
    this.presentation.apply(record)
    this.waiters.moved(this.presentation)
    return this
  }

  /** Opens the next segment, `cells` after the first cell's beginning; `late`: so many seconds after its own. */
  open(cells: number, late = 0): this {
    this.#at = cells * (GRID_MS / 1_000) + late
    this.#made = [0, 0]
    const seconds = START_SECONDS + this.#at
    return this.apply({ type: 'segment-opened', ...this.#row(seconds) })
  }

  #row(seconds: number) {
    return {
      sequence: this.presentation.endSequence,
      discontinuitySequence: this.#discontinuity,
      startTicks: seconds * 90_000,
      wallMs: seconds * 1_000,
    }
  }

  part(rendition: 0 | 1, count = 1): this {
    for (let made = 0; made < count; made++) this.#part(rendition)
    return this
  }

  #part(rendition: 0 | 1): void {
    const timescale = this.#timescales[rendition]
    const at = this.#made[rendition]++
    const startTicks = (START_SECONDS + this.#at + at * PART_SECONDS) * timescale
    const durationTicks = (PART_SECONDS * timescale) / SAMPLES
    const samples = Array.from({ length: SAMPLES }, (_, index): FragmentSample => {
      const data = new Uint8Array(400 + index).fill(++this.#count & 255)
      return { data, durationTicks, compositionTicks: 0, independent: index === 0 || rendition === 1 }
    })
    const kind = rendition === 0 ? 'video' : 'audio'
    const head = { trackId: 1, sequenceNumber: at + 1, baseDecodeTicks: startTicks, opensSegment: at === 0 }
    const { bytes, leadingBytes } = buildFragment({ ...head, kind, samples })
    const sequence = this.presentation.endSequence
    const key = `${rendition}/${sequence}`
    this.bytes.set(key, [...(this.bytes.get(key) ?? []), bytes])
    this.apply({
      type: 'fragment',
      sequence,
      track: rendition + 1,
      startTicks,
      durationTicks: durationTicks * SAMPLES,
      sizeBytes: bytes.byteLength,
      leadingBytes,
      independent: at === 0,
      wallMs: 0,
      number: ++this.#count,
    })
  }

  close(): this {
    const durationTicks = Math.max(...this.#made) * PART_SECONDS * 90_000
    return this.apply({ type: 'segment-closed', sequence: this.presentation.endSequence, durationTicks })
  }

  /** Whole segments of the cells `from` ≤ cell < `to`. */
  segments(from: number, to: number): this {
    for (let cell = from; cell < to; cell++) this.open(cell).part(0, PARTS).part(1, PARTS).close()
    return this
  }

  gap(cell: number): this {
    const seconds = START_SECONDS + cell * (GRID_MS / 1_000)
    return this.apply({ type: 'gap', ...this.#row(seconds), durationTicks: (GRID_MS / 1_000) * 90_000 })
  }

  discontinuity(): this {
    const discontinuitySequence = ++this.#discontinuity
    return this.apply({ type: 'discontinuity', discontinuitySequence, reason: 'input-returned' })
  }

  override ports(): OriginPorts {
    const ports = super.ports()
    const waitForPart = (id: string, partVersion: number, signal: AbortSignal) =>
      this.waiters.wait(id === this.presentation.header.id ? this.presentation : undefined, partVersion, signal)
    return { ...ports, publications: { ...ports.publications, waitForPart } }
  }
}

/** Far more turns than anything on this machine takes: some seconds of a loop that does nothing else. */
const MAX_TURNS = 1_000_000

/** Resolves when `isThere`. @throws Error that names the condition, where it never is */
export async function turnsUntil(isThere: () => boolean): Promise<void> {
  for (let turn = 0; !isThere(); turn++) {
    if (turn === MAX_TURNS) throw new Error(`never held: ${isThere}`)
    await setImmediate()
  }
}

const running: { stop(): Promise<void> }[] = []
/** Stops every server of `serveCounted`. */
export async function stopCounted(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop()))
}

/** A real server over the presentation, and where its segments are: by the cell, counted from the first one. */
export async function serveCounted(
  live: CountedLive,
  ...rest: [Parameters<typeof startOrigin>[1]?, Parameters<typeof startOrigin>[2]?]
) {
  const { server, base } = await startOrigin(live, ...rest)
  running.push(server)
  const folder = `${base}/loc-1/c/${contentDigest(live.presentation.header)}`
  const url = (cell: number, { name = 'video-1', track = 1, stretch = 0 } = {}) =>
    `${folder}/${name}/${track}.d${stretch}.${FIRST_NUMBER + cell}.m4s`
  return { server, base, folder, url }
}
