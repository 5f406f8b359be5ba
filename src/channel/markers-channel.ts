import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Marker, MarkerKind } from '../presentation/markers.ts'
import type { MarkerDesk } from './markers.ts'
import type { MarkerChange } from './markers-news.ts'
import { cueNews, type PlacedCue } from './markers-rtmp.ts'
import type { LogEntry } from './segment-assembly.ts'

/** What a channel's markers are wired to. */
export type MarkerPorts = {
  /** Those that the channel's presentations have, also of an earlier run. */
  readonly known: () => Iterable<Marker>
  /** Of markers that are about advertisements or programs. Must not throw. */
  readonly changed: (change: MarkerChange) => void
}

const AD_KINDS: ReadonlySet<MarkerKind> = new Set(['ad-break', 'splice', 'program-boundary'])

/** A marker as it goes into the log. */
export function markerEntry(marker: Marker): LogEntry {
  return { record: { type: 'marker', ...marker } }
}

/** Takes what encoders say of their media; what can't be used is no reason to let one go. */
export class CueIntake {
  readonly #desk: MarkerDesk
  readonly #logger: Logger
  #unusable = 0
  #tooMany = 0

  constructor(desk: MarkerDesk, logger: Logger) {
    this.#desk = desk
    this.#logger = logger
  }

  /** `source`: whose ad markers are taken; absent: anybody's. */
  take(cue: PlacedCue, source: 'api' | 'scte35' | undefined): void {
    try {
      for (const news of cueNews(cue)) {
        const isAd = news.type !== 'begin' || AD_KINDS.has(news.kind)
        if (isAd && source === 'api') continue
        const marker = this.#desk.tell(news, 'encoder')
        if (news.type === 'begin' && !marker && isMilestone(++this.#tooMany)) {
          this.#logger.warn({ cue: cue.name, count: this.#tooMany }, 'the encoder says too much: cues are left out')
        }
      }
    } catch (error) {
      if (!isMilestone(++this.#unusable)) return
      const problem = messageOf(error)
      this.#logger.warn({ cue: cue.name, count: this.#unusable, problem }, 'a cue of the encoder can not be used')
    }
  }
}

/** 1, 10, 100…: an encoder that goes on and on does not fill the node's log. */
function isMilestone(count: number): boolean {
  return Number.isInteger(Math.log10(count))
}
