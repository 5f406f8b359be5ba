import type { IncomingMessage } from 'node:http'
import type { PresentationView } from '../presentation/view.ts'
import type { ManifestPlace } from './child-urls.ts'
import type { Delivery } from './deliveries.ts'

/** What is asked for, of which presentation, from where. */
export type ManifestRequest = {
  readonly request: IncomingMessage
  readonly view: PresentationView
  readonly digest: string
  /** How what it lists is protected. */
  readonly delivery: Delivery
  readonly place: ManifestPlace
  /** What the manifests that this one names show as well: the query of their URLs, or nothing. */
  readonly selection?: string
  /** A live MPD reaches back as far as the view does. */
  readonly rewind?: 'full'
  /** What the locator shows, of which the view may be a part. */
  readonly shown?: PresentationView
  /** Whether pictures of it may be shown, which are in the clear; absent: they may. */
  readonly hasPictures?: boolean
  /** How far behind the live edge the view ends. */
  readonly backoffMs?: number
  /** Playlists have the tags of breaks from before EXT-X-DATERANGE too. */
  readonly cues?: boolean
  /** Of a playlist: something is put into it for this viewer alone, so it is not given compressed. */
  readonly isCarrying?: boolean
}
