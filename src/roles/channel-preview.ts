import { Program as ProgramCut } from '../channel/program.ts'
import type { LogEntry } from '../channel/segment-assembly.ts'
import type { Channel } from '../domain/channel.ts'
import { newSecret, type RandomBytes } from '../domain/kinds.ts'
import type { Clock } from '../lib/clock.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import { PresentationLog } from '../log/presentation-log.ts'
import {
  type LogRecord,
  PRESENTATION_TIMESCALE,
  type PresentationHeader,
  type RecordOf,
  type Track,
} from '../presentation/records.ts'
import { timeBaseTicks } from './recorded.ts'

/** The name in `/{previewLocatorId}/{name}.ism/manifest`. */
const MANIFEST_NAME = 'preview'
const WINDOW_MS = 30_000
const EPOCH_BYTES = 6
const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/** What a preview needs of the node. */
export type ChannelPreviewPorts = {
  readonly clock: Clock
  readonly memory: FragmentMemory
  readonly directory: LogDirectory
  readonly random: RandomBytes
  readonly logBudgetBytes: number
}

/** What comes in, to be looked at before any program: the last half minute, as long as the channel runs. */
export class ChannelPreview implements Stoppable {
  readonly log: PresentationLog
  readonly #directory: LogDirectory
  readonly #cut: ProgramCut
  readonly #locatorId: string
  readonly #memory: FragmentMemory
  #hasMedia = false
  #allowIp: readonly string[] | undefined

  /** `cut`: how the channel cuts. */
  constructor(
    channel: Channel,
    cut: Pick<PresentationHeader, 'targetDurationMs' | 'partDurationMs' | 'gridMs'>,
    { clock, memory, directory, random, logBudgetBytes }: ChannelPreviewPorts,
  ) {
    this.#directory = directory
    this.#memory = memory
    this.#locatorId = channel.previewLocatorId
    const epoch = newSecret(EPOCH_BYTES, random)
    this.log = new PresentationLog(
      { id: channel.id, epoch, ...cut, timeBaseTicks: timeBaseTicks(clock.now()), rewindWindowMs: WINDOW_MS },
      { memory, budgetBytes: logBudgetBytes, retainMs: 0 },
    )
    directory.open(this.log)
    const append = (record: LogRecord, bytes?: Uint8Array) => void this.log.append(record, bytes)
    this.#cut = new ProgramCut({ append }, 'channel', () => undefined)
    this.publish(channel)
  }

  /** Takes over who may watch. */
  publish({ id, preview }: Channel): void {
    const { allowIp } = preview
    if (JSON.stringify(allowIp) === JSON.stringify(this.#allowIp)) return
    this.#allowIp = allowIp
    // Origin threads hear of it with their next message; nothing here waits for them.
    void this.#directory.publish({
      locatorId: this.#locatorId,
      manifestName: MANIFEST_NAME,
      presentationId: id,
      allowIp,
    })
  }

  take(entry: LogEntry, tracks: readonly Track[]): void {
    // Nothing is to be seen here of what was missing before.
    this.#hasMedia ||= entry.record.type === 'segment-opened'
    if (this.#hasMedia || entry.record.type === 'marker') this.#cut.take(entry, tracks)
  }

  /** What it has of the segments that were not over at `fromMs` (Unix time), also of the one that is open: to be taken in this turn. */
  *entriesFrom(fromMs: number): Iterable<LogEntry> {
    let isWanted = false
    const pieces = new Map<number, readonly Uint8Array[]>()
    for (const record of this.log.records()) {
      if (record.type === 'segment-opened' || record.type === 'gap') {
        const durationTicks = this.log.view.segment(record.sequence)?.durationTicks ?? Number.POSITIVE_INFINITY
        isWanted ||= (record.startTicks + durationTicks) / TICKS_PER_MS > fromMs
        pieces.clear()
      }
      if (!isWanted) continue
      if (record.type === 'fragment') yield* this.#withBytes(record, pieces)
      else yield { record }
    }
  }

  /** A record may stand for several fragments, whose parts are folded: their bytes are put together. */
  *#withBytes(record: RecordOf<'fragment'>, pieces: Map<number, readonly Uint8Array[]>): Iterable<LogEntry> {
    const left = [...(pieces.get(record.track) ?? this.log.fragments(record.sequence, record.track) ?? [])]
    const own: Uint8Array[] = []
    for (let missing = record.sizeBytes; missing > 0 && left.length > 0; ) {
      const piece = left.shift() as Uint8Array
      own.push(piece)
      missing -= piece.byteLength
    }
    pieces.set(record.track, left)
    const [only] = own
    if (only && own.length === 1) {
      yield { record, bytes: only }
      return
    }
    const bytes = this.#memory.allocate(record.sizeBytes)
    let offset = 0
    for (const piece of own) {
      bytes.set(piece, offset)
      offset += piece.byteLength
    }
    yield { record, bytes }
    this.#memory.disown(bytes)
  }

  /** All that the channel has announced so far. */
  get tracks(): readonly Track[] {
    return this.log.view.renditions.flatMap(({ tracks }) => tracks)
  }

  async stop(): Promise<void> {
    this.#cut.detach()
    this.log.stop()
    // Without its log nothing is answered; who has heard of this is not waited for.
    void this.#directory.withdraw(this.#locatorId)
  }
}
