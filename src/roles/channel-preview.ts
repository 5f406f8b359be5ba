import { Program as ProgramCut } from '../channel/program.ts'
import type { LogEntry } from '../channel/segment-assembly.ts'
import type { Channel } from '../domain/channel.ts'
import { newSecret, type RandomBytes } from '../domain/kinds.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { FragmentMemory } from '../log/fragment-memory.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import { PresentationLog } from '../log/presentation-log.ts'
import type { LogRecord, PresentationHeader, Track } from '../presentation/records.ts'

/** The name in `/{previewLocatorId}/{name}.ism/manifest`. */
const MANIFEST_NAME = 'preview'
const WINDOW_MS = 30_000
const EPOCH_BYTES = 6

/** What a preview needs of the node. */
export type ChannelPreviewPorts = {
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
  #allowIp: readonly string[] | undefined

  /** `cut`: how the channel cuts. */
  constructor(
    channel: Channel,
    cut: Pick<PresentationHeader, 'targetDurationMs' | 'partDurationMs'>,
    { memory, directory, random, logBudgetBytes }: ChannelPreviewPorts,
  ) {
    this.#directory = directory
    this.#locatorId = channel.previewLocatorId
    const epoch = newSecret(EPOCH_BYTES, random)
    this.log = new PresentationLog(
      { id: channel.id, epoch, ...cut, rewindWindowMs: WINDOW_MS },
      { memory, budgetBytes: logBudgetBytes, retainMs: 0 },
    )
    directory.open(this.log)
    const append = (record: LogRecord, bytes?: Uint8Array) => void this.log.append(record, bytes)
    this.#cut = new ProgramCut({ append }, { goesOn: false }, () => undefined)
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
    this.#cut.take(entry, tracks)
  }

  async stop(): Promise<void> {
    this.#cut.detach()
    this.log.stop()
    // Without its log nothing is answered; who has heard of this is not waited for.
    void this.#directory.withdraw(this.#locatorId)
  }
}
