import { newEvent } from '../domain/events.ts'
import type { Repository } from '../domain/repository.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { EventRecorder } from './input-watch.ts'
import type { BrokenText } from './text-source.ts'

type BrokenTextsPorts = {
  readonly repository: Pick<Repository, 'findAnywhere'>
  readonly events: EventRecorder
  readonly clock: Clock
  readonly logger: Logger
}

const MAX_TOLD = 1_000
const LONGEST_PROBLEM = 1_024

/** Tells the operator of text files that can't be shown, in the log and by an event: of each once, however many threads have read it. */
export function tellBrokenTexts({ repository, events, clock, logger }: BrokenTextsPorts): (text: BrokenText) => void {
  const told = new Set<string>()
  return ({ assetId, fileName, problem }) => {
    const key = JSON.stringify([assetId, fileName, problem])
    if (told.has(key)) return
    if (told.size >= MAX_TOLD) told.clear()
    told.add(key)
    logger.error(
      { assetId, file: fileName, problem },
      'a text file is no WebVTT or TTML: the asset is played without it',
    )
    repository.findAnywhere('asset', assetId).then(
      (asset) => {
        if (!asset) return
        const { accountId, id } = asset
        const data = { fileName, problem: problem.slice(0, LONGEST_PROBLEM) }
        events.record(newEvent('asset.text-unreadable', { accountId, id }, data, clock.now()))
      },
      (error: unknown) =>
        logger.warn({ assetId, error: messageOf(error) }, 'whose asset has a broken text could not be found'),
    )
  }
}
