import { scheduler } from 'node:timers/promises'
import { Turns } from '../lib/turns.ts'
import type { ListedWindow } from '../manifest/listed-window.ts'
import { ListingSurvey } from '../manifest/listing-survey.ts'
import { FilteredView } from '../presentation/filtered-view.ts'
import type { PresentationView } from '../presentation/view.ts'

/** Blocks of segments that are read through in one turn of the event loop: some milliseconds. */
const BLOCKS_PER_TURN = 64

/** A survey of each presentation that manifests were asked of; it is as large as some bytes per segment, and goes with it. */
export class Surveys {
  readonly #surveys = new WeakMap<PresentationView, ListingSurvey>()
  /** One at a time, however many ask: who comes later finds the work done. */
  readonly #turns = new Turns(1)

  /** Parts of a presentation share that of the whole: what a window lists is the same in both. */
  of(view: PresentationView): ListingSurvey {
    const surveyed = view instanceof FilteredView ? view.whole : view
    const survey = this.#surveys.get(surveyed) ?? new ListingSurvey(surveyed)
    this.#surveys.set(surveyed, survey)
    return survey
  }

  /** Reads through a window that may be long, letting others be served meanwhile; `window` is asked for it as it is then. */
  async prepare(view: PresentationView, window: () => ListedWindow): Promise<void> {
    const survey = this.of(view)
    if (survey.prepare(window(), 0)) return
    await this.#turns.run(async () => {
      while (!survey.prepare(window(), BLOCKS_PER_TURN)) await scheduler.yield()
    })
  }
}
