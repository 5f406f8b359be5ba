import type { Filter } from './filter.ts'
import type { StreamingEndpoint } from './streaming-endpoint.ts'

/** A filter as origins know it. */
export type PublishedFilter = Pick<Filter, 'name' | 'assetId' | 'timeRange' | 'tracks' | 'firstQuality'>

/** What a streaming endpoint that runs demands and grants. */
export type EndpointRules = Pick<StreamingEndpoint, 'hostNames' | 'maxCacheAge' | 'allowIp' | 'cors' | 'signedUrlKeys'>

/** What origins keep to for all that an account publishes. */
export type AccountRules = {
  readonly accountId: string
  /** Its filters, and those of its assets. */
  readonly filters: readonly PublishedFilter[]
  /** Those that run; without one nothing is answered. */
  readonly endpoints: readonly EndpointRules[]
}
