import { AppError } from '../lib/errors.ts'
import { FilteredView } from '../presentation/filtered-view.ts'
import { liveBackoffMs, settleTimes, whyEmpty } from '../presentation/time-selection.ts'
import type { PresentationView } from '../presentation/view.ts'
import { isWhole, type Selection } from '../presentation/view-filter.ts'
import { filterNames, readSelectionQuery, selectionQuery } from './filter-query.ts'
import type { Published } from './ports.ts'
import { viewFilters } from './view-filters.ts'

/** What a manifest's URL shows. */
export type Selected = {
  readonly view: PresentationView
  /** What the URLs of the manifest's own manifests end with, `?` included; empty where they show everything as well. */
  readonly query: string
  /** A start was asked for: the whole window from there on is wanted, however long it is. */
  readonly isFromStart: boolean
  /** How far behind the live edge the newest segment is. */
  readonly backoffMs: number
}

/** Parts of one presentation that are remembered; what was not asked for longest goes. */
const MAX_VIEWS = 64

/**
 * What locators and URLs show of presentations. Requests for the same part get the same view, so that whatever is kept of it (surveys,
 * rendered manifests) is found again; how many parts there are is bounded.
 */
export class Selections {
  readonly #views = new WeakMap<PresentationView, Map<string, FilteredView>>()

  /**
   * What a locator shows whatever is asked for: its own filters.
   * @throws AppError `URL_UNKNOWN` where one of them is no more
   */
  ofLocator(published: Published): PresentationView {
    const filters = ownFilters(published)
    return filters.length === 0 ? published.view : this.#viewOf(published.view, { filters }, '')
  }

  /**
   * What a manifest shows: what the locator's own filters let through, those that the URL names, and its times. `named`: filters
   * that stand in the path.
   * @throws AppError `URL_INVALID`, `URL_UNKNOWN` where nothing is left; `SEGMENT_GONE`, `SEGMENT_NOT_YET` where that is past or to come
   */
  ofUrl(published: Published, requestTarget: string, named = ''): Selected {
    const asked = readSelectionQuery(requestTarget)
    const names = [...new Set([...filterNames(named), ...asked.names])]
    const { view: whole } = published
    const own = ownFilters(published)
    const filters = [
      ...viewFilters(names, published.assetId ?? whole.header.id, published.rules?.filters ?? []),
      ...own,
    ]
    if (isWhole({ ...asked, filters })) return { view: whole, query: '', isFromStart: false, backoffMs: 0 }
    const times = settleTimes(whole, asked)
    const selection = { filters, ...times }
    const query = selectionQuery({ names, ...times })
    const view = this.#viewOf(whole, selection, query)
    assertSomething(whole, view, selection)
    return { view, query, isFromStart: asked.startMs !== undefined, backoffMs: liveBackoffMs(selection) }
  }

  /** The query is part of what manifests say, so it is part of what they are remembered by. */
  #viewOf(whole: PresentationView, selection: Selection, query: string): FilteredView {
    const key = JSON.stringify([query, selection])
    const views = this.#views.get(whole) ?? new Map<string, FilteredView>()
    this.#views.set(whole, views)
    const view = views.get(key) ?? new FilteredView(whole, selection)
    views.delete(key)
    views.set(key, view)
    if (views.size > MAX_VIEWS) views.delete(views.keys().next().value as string)
    return view
  }
}

function ownFilters({ view, assetId, filters = [], rules }: Published) {
  return viewFilters(filters, assetId ?? view.header.id, rules?.filters ?? [])
}

function assertSomething(whole: PresentationView, view: FilteredView, selection: Selection): void {
  if (whole.renditions.length > 0 && view.renditions.length === 0) {
    throw new AppError('URL_UNKNOWN', 'The filters leave no track.')
  }
  if (view.firstSequence < view.endSequence) return
  const why = whyEmpty(whole, selection)
  if (why === 'gone') throw new AppError('SEGMENT_GONE', 'This part is older than what is kept.')
  if (why === 'not-yet') throw new AppError('SEGMENT_NOT_YET', 'This part is not there yet.')
  throw new AppError('URL_UNKNOWN', 'There is nothing in this part of the presentation.')
}
