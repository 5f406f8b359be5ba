import type { Id } from '../domain/kinds.ts'
import { type TextSet, textSidecars } from '../domain/text-sidecar.ts'
import type { Stoppable } from '../lib/scope.ts'
import type { LogDirectory } from '../log/log-directory.ts'
import type { FilePresentations } from './file-presentations.ts'
import { FollowedFiles, type FollowedFilesPorts } from './followed-files.ts'
import type { PresentationShelf } from './presentation-shelf.ts'

/** What texts are looked for in, and made known to. */
export type AssetTextsPorts = FollowedFilesPorts & {
  readonly shelf: Pick<PresentationShelf, 'subscribe'>
  readonly files: Pick<FilePresentations, 'subscribe'>
  readonly directory: Pick<LogDirectory, 'openTexts' | 'closeTexts'>
}

/** Who has a presentation of an asset here: its recording, or its files. */
type Holder = 'shelf' | 'files'

/**
 * The text files of the assets that have a presentation on this node, of files or recorded, followed as they come and go. Here they are only named;
 * origin threads read them. There are as many of these as there are such assets, which others bound.
 */
export class AssetTexts implements Stoppable {
  readonly #ports: AssetTextsPorts
  /** An asset may have both holders, one after the other. */
  readonly #holders = new Map<string, Set<Holder>>()
  readonly #followed: FollowedFiles<Pick<TextSet, 'texts' | 'digest'>>
  readonly #ends: (() => void)[] = []

  constructor(ports: AssetTextsPorts) {
    this.#ports = ports
    this.#followed = new FollowedFiles(ports, {
      setOf: textSidecars,
      became: (assetId, set) => (set ? ports.directory.openTexts(set) : ports.directory.closeTexts(assetId)),
      complaint: 'the texts of a published asset could not be looked for; it is tried again',
    })
  }

  /** From now on it follows the store, and what has a presentation here. */
  begin(): void {
    const { files, shelf } = this.#ports
    this.#followed.begin()
    const listenerOf = (holder: Holder) => ({
      opened: (assetId: string, { accountId }: { readonly accountId: Id<'account'> }) =>
        this.#opened(assetId, accountId, holder),
      closed: (assetId: string) => this.#closed(assetId, holder),
    })
    this.#ends.push(files.subscribe(listenerOf('files')), shelf.subscribe(listenerOf('shelf')))
  }

  /** Resolves when what the asset has is known to origin threads, or looking for it has failed. */
  tried(assetId: string): Promise<void> {
    return this.#followed.tried(assetId)
  }

  stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    this.#holders.clear()
    return this.#followed.stop()
  }

  #opened(assetId: string, accountId: Id<'account'>, holder: Holder): void {
    const holders = this.#holders.get(assetId) ?? new Set()
    this.#holders.set(assetId, holders.add(holder))
    this.#followed.hold(assetId, accountId)
  }

  #closed(assetId: string, holder: Holder): void {
    const holders = this.#holders.get(assetId)
    holders?.delete(holder)
    if (!holders || holders.size > 0) return
    this.#holders.delete(assetId)
    this.#followed.release(assetId)
  }
}
