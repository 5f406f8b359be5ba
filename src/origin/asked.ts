import type { IncomingMessage } from 'node:http'
import { tokenOf } from './carried-token.ts'
import type { ManifestPlace } from './child-urls.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import type { Admission } from './load-shedding.ts'
import { readManifestQuery } from './manifest-query.ts'
import type { ManifestRequest } from './manifest-request.ts'
import type { MediaRequest } from './media-answers.ts'
import type { Published } from './ports.ts'
import type { ResponseWatch } from './response-watch.ts'
import type { Selected } from './selections.ts'

/** A request and how its answer goes. */
export type Exchange = {
  readonly request: IncomingMessage
  readonly watch: ResponseWatch
  /** Absent while there is no more to do than can be done. */
  readonly admission?: Admission | undefined
}
/** What a request's locator publishes. */
export type Found = { readonly published: Published; readonly deliveries: Deliveries }
/** What of that its locator shows; `select` gives what a manifest's URL shows, by its query and by filters that stand in the path. */
export type Shown = Found & {
  /** How what is asked for is protected, and its digest. */
  readonly delivery: Delivery
  readonly digest: string
  readonly select: (requestTarget: string, named?: string) => Selected
}

/** The token that goes on from a playlist's URL to those of its keys; in the clear there are none. */
export function carriedToken({ request }: Exchange, { delivery }: Shown): string | undefined {
  return delivery.protection === 'clear' ? undefined : tokenOf(request.url ?? '')
}

/** What is asked of a manifest or a playlist; `filter`: those that stand in the path. */
export function manifestRequest(
  exchange: Exchange,
  found: Shown,
  place: ManifestPlace,
  filter?: string,
): ManifestRequest {
  const { request } = exchange
  const { published, delivery, digest, select } = found
  const isCarrying = carriedToken(exchange, found) !== undefined
  const { view, query, isFromStart, backoffMs } = select(request.url ?? '', filter)
  const { view: shown } = published
  const { cues } = readManifestQuery(request.url ?? '')
  const selection = cues ? `${query === '' ? '?' : `${query}&`}cue=out-in` : query
  return {
    request,
    view,
    delivery,
    digest,
    place,
    selection,
    cues,
    shown,
    backoffMs,
    hasPictures: found.deliveries.hasClear,
    ...(isFromStart && { rewind: 'full' }),
    ...(isCarrying && { isCarrying }),
  }
}

/** What is asked of media, and how it may be cached. */
export function mediaRequest(
  { request, watch, admission }: Exchange,
  { published, delivery, digest }: Shown,
  caching: MediaRequest['caching'],
): MediaRequest {
  return { request, view: published.view, delivery, digest, caching, signal: watch.signal, admission }
}
