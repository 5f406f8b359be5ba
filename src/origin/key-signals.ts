import type { IncomingMessage } from 'node:http'
import type { DashKeySignals } from '../manifest/dash-keys.ts'
import type { ManifestUris } from '../manifest/manifest-uris.ts'
import type { Xml } from '../manifest/xml.ts'
import { KeyPeriodsView, readKeyStretch } from '../presentation/key-periods-view.ts'
import { PRESENTATION_TIMESCALE, type Track } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import { KEY_AHEAD_MS } from '../protection/content-key-derivation.ts'
import { envelopeProtection } from '../protection/signalling/envelope-markup.ts'
import { hlsKeyLines } from '../protection/signalling/hls-keys.ts'
import { type Delivery, type ProtectedDelivery, requireSamples } from './deliveries.ts'
import { keyRefOf, periodOf, type TrackKeyRef, trackKeyRef } from './delivery-keys.ts'
import { type HlsForm, type KeySigns, keysInForm } from './hls-delivery.ts'
import { dashProtections, rawKeyPath } from './key-systems.ts'

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000

/**
 * The lines by which a master playlist tells of keys ahead (RFC 8216 §4.3.4.5): those of now and, where they rotate, of the next period once its key may be had,
 * each once. Of samples the raw key is left to media playlists; so is that of whole segments where it rotates.
 */
export function sessionKeyLines(
  delivery: Delivery,
  view: PresentationView,
  form: HlsForm,
  signs: KeySigns,
): readonly string[] {
  if (delivery.protection === 'clear') return []
  const now = newestPeriod(delivery, view)
  const next = comingPeriod(delivery, view)
  const refs = [now, ...(next === undefined ? [] : [next])].flatMap((periodMs) =>
    view.renditions.flatMap(({ tracks }) => tracks.slice(-1).map((track) => refOf(delivery, track, periodMs))),
  )
  const isWhole = delivery.protection === 'envelope'
  const unique = new Map(refs.map((ref) => [ref.kid, ref]))
  return [...unique.values()]
    .filter((ref) => (isWhole ? ref.periodMs === undefined : ref.periodMs !== next || signs.told.knows(ref)))
    .flatMap((ref) => keysInForm(delivery, form, ref, signs))
    .filter(({ keyFormat }) => keyFormat !== 'identity')
    .flatMap((key) => hlsKeyLines('EXT-X-SESSION-KEY', key))
}

function newestPeriod(delivery: ProtectedDelivery, view: PresentationView): number {
  return periodOf(delivery, newestOf(view)?.startTicks ?? 0)
}

function newestOf(view: PresentationView) {
  return view.live?.openSegment ?? view.segment(view.endSequence - 1)
}

/** The begin of the next period where there will be one, as soon as its keys are given to players; `undefined`: they are not. */
function comingPeriod(delivery: ProtectedDelivery, view: PresentationView): number | undefined {
  const { rotationPeriodMs } = delivery
  if (view.ended || rotationPeriodMs === undefined) return undefined
  const begin = newestPeriod(delivery, view) + rotationPeriodMs
  const newestMs = (newestOf(view)?.startTicks ?? 0) / TICKS_PER_MS
  return begin - newestMs <= KEY_AHEAD_MS ? begin : undefined
}

/** What an MPD says of keys; in `signs.base` scheme and host, since players take what they read there as it is. */
export function dashKeySignals(delivery: Delivery, { told, base }: KeySigns): DashKeySignals | undefined {
  if (delivery.protection === 'clear') return undefined
  const { rotationPeriodMs: length } = delivery
  const elementsOf = (ref: TrackKeyRef): readonly string[] => {
    if (delivery.protection !== 'envelope')
      return dashProtections(requireSamples(delivery), ref, { told: told.of(ref), base })
    return [envelopeProtection({ keyUrl: base + rawKeyPath(ref.kid), iv: ref.constantIv })]
  }
  return {
    periodMs: (stretch) => (length === undefined ? 0 : readKeyStretch(stretch, length).periodMs),
    elements: (track, periodMs) => elementsOf(refOf(delivery, track, periodMs)) as readonly Xml[],
    initPeriod: (track, periodMs) => refOf(delivery, track, periodMs).periodMs,
  }
}

/** The addresses of an MPD whose stretches of timeline end with the keys' periods: segments are counted from one discontinuity to the next. */
export function dashUris(uris: ManifestUris, delivery: Delivery): ManifestUris {
  const length = delivery.protection === 'clear' ? undefined : delivery.rotationPeriodMs
  if (length === undefined) return uris
  const sequenceOf = (stretch: number) => readKeyStretch(stretch, length).discontinuitySequence
  return { ...uris, dashNumberTemplate: (track, stretch) => uris.dashNumberTemplate(track, sequenceOf(stretch)) }
}

const HOST = /^(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/** Scheme and host by which the request reached this server; empty where it names none, and addresses are then paths. */
export function baseOf({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string {
  const authority = headers[':authority']
  const host = typeof authority === 'string' ? authority : headers.host
  if (host === undefined || !HOST.test(host)) return ''
  return `${'encrypted' in socket ? 'https' : 'http'}://${host}`
}

/** Views whose stretches of timeline end with the keys' periods; each as long as what it is of is there. */
export class KeyPeriodViews {
  readonly #known = new WeakMap<PresentationView, Map<number, KeyPeriodsView>>()

  /** The view as an MPD of this delivery lists it. */
  of(view: PresentationView, delivery: Delivery): PresentationView {
    const length = delivery.protection === 'clear' ? undefined : delivery.rotationPeriodMs
    if (length === undefined) return view
    const ofView = this.#known.get(view) ?? new Map<number, KeyPeriodsView>()
    this.#known.set(view, ofView)
    const found = ofView.get(length) ?? new KeyPeriodsView(view, length)
    ofView.set(length, found)
    return found
  }
}

function refOf(delivery: ProtectedDelivery, track: Track, periodMs: number): TrackKeyRef {
  const { contentKeyId, periodMs: own } = trackKeyRef(delivery, track, periodMs * TICKS_PER_MS)
  return keyRefOf(contentKeyId, own)
}
