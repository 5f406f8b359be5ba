import type { Locator } from '../domain/locator.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import type { ChangeSource } from '../supervisor/ports.ts'
import type { AssetTexts } from './asset-texts.ts'
import type { FilePresentations } from './file-presentations.ts'
import type { HouseDesk } from './house-calls.ts'
import type { LocatorPublisher } from './locator-publisher.ts'
import type { PresentationShelf } from './presentation-shelf.ts'
import type { BrokenText } from './text-source.ts'

/** What the librarian looks in. */
export type LibrarianPorts = {
  readonly repository: Pick<Repository, 'findAnywhere'>
  readonly changes: ChangeSource
  readonly shelf: PresentationShelf
  readonly files: Pick<FilePresentations, 'load'>
  readonly publisher: Pick<LocatorPublisher, 'published'>
  /** Absent: there are no texts. */
  readonly texts?: Pick<AssetTexts, 'tried'>
  /** Told of text files that can't be shown; each thread tells of each once. */
  readonly brokenText?: (text: BrokenText) => void
  readonly clock: Clock
}

const LOOKUPS_AT_ONCE = 8
const MAX_WAITING = 512
/** Who asks for nothing again and again is answered from memory. */
const REMEMBERED_MS = 5_000
const MAX_REMEMBERED = 10_000

/** Finds for the origin threads what they don't have: segments on their way to storage, recordings that are over, and uploaded files. */
export class Librarian implements HouseDesk {
  readonly #ports: LibrarianPorts
  readonly #turns = new Turns(LOOKUPS_AT_ONCE, {
    maxWaiting: MAX_WAITING,
    refusal: () => new AppError('ORIGIN_BUSY', 'Too many recordings are being looked for: try again.'),
  })
  /** Locators that lead to nothing that can be played, and until when that is believed. */
  readonly #nothing = new Map<string, number>()

  constructor(ports: LibrarianPorts) {
    this.#ports = ports
    // A locator that was made, or an asset that was recorded into or was given a file, may lead somewhere now.
    ports.changes.onChange((list) => {
      if (list.some(({ kind }) => kind === 'asset' || kind === 'asset-file')) this.#nothing.clear()
      for (const { kind, id } of list) if (kind === 'locator') this.#nothing.delete(id.toLowerCase())
    })
  }

  async spooled(presentationId: string, renditionIndex: number, sequence: number) {
    const found = this.#ports.shelf.find(presentationId)
    const segment = found?.log.view.renditionSegment(renditionIndex, sequence)
    return segment && found?.recording?.readSpooled(sequence, segment.track)
  }

  brokenText(text: BrokenText): void {
    this.#ports.brokenText?.(text)
  }

  /** @throws AppError `STORE_DOWN`, `STORAGE_DOWN`, `ORIGIN_BUSY` … */
  async wake(locatorId: string): Promise<void> {
    const { clock } = this.#ports
    if ((this.#nothing.get(locatorId) ?? 0) > clock.now()) return
    const found = await this.#turns.run(() => this.#wake(locatorId))
    if (found) return
    if (this.#nothing.size >= MAX_REMEMBERED) this.#nothing.clear()
    this.#nothing.set(locatorId, clock.now() + REMEMBERED_MS)
  }

  async #wake(locatorId: string): Promise<boolean> {
    const { repository, shelf, files, publisher, texts } = this.#ports
    const locator: Locator | undefined = await repository.findAnywhere('locator', locatorId)
    const asset = locator && (await repository.findAnywhere('asset', locator.assetId))
    if (!asset || asset.state === 'Empty') return false
    // Of a clip that is being made there may be a part in storage.
    if (asset.clip && asset.state === 'Recording') return false
    const isRecorded = shelf.find(asset.id) !== undefined || (await shelf.load(asset.id, asset.accountId))
    if (!isRecorded && !(await files.load(asset))) return false
    await Promise.all([publisher.published(asset.id), texts?.tried(asset.id)])
    return true
  }
}
