import { AppError } from '../lib/errors.ts'
import {
  MAX_MARKERS,
  MAX_MARKERS_BYTES,
  type Marker,
  type MarkerKind,
  markerBytes,
  markerEndTicks,
  markerProblem,
} from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'
import { MarkerBudget } from './marker-budget.ts'
import type { MarkerChange, MarkerNews, MarkerSource } from './markers-news.ts'
import { spliceIn, spliceOut } from './markers-scte35.ts'

/** What markers need of their channel. */
export type MarkerDeskPorts = {
  /** Where the channel is on its timeline, 90 kHz. */
  readonly nowTicks: () => number
  readonly emit: (marker: Marker) => void
  /** Those that the channel's presentations have, also of an earlier run. */
  readonly known: () => Iterable<Marker>
  /** Of markers that are about advertisements or programs. Must not throw. */
  readonly changed: (change: MarkerChange) => void
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** The same event is announced again and again until it happens, with times that differ by rounding. */
const SAME_START_TICKS = PRESENTATION_TIMESCALE
/** A message that ends a break may come with the very end: it is given the time until the next look at the clock. */
const RETURN_GRACE_TICKS = PRESENTATION_TIMESCALE / 4
/** A break that does not end by itself when its planned time is over is given as much again, this at least. */
const MIN_OVERRUN_TICKS = 60 * PRESENTATION_TIMESCALE
const MINOR: ReadonlySet<MarkerKind> = new Set(['cue', 'text', 'id3'])

/** The markers of a running channel: what is said of them comes here, and goes into the presentations, once. */
export class MarkerDesk {
  readonly #ports: MarkerDeskPorts
  readonly #own = new Map<string, Marker>()
  readonly #budget = new MarkerBudget()
  #ownBytes = 0

  constructor(ports: MarkerDeskPorts) {
    this.#ports = ports
  }

  /** All that are known, in the order of their start. */
  get all(): readonly Marker[] {
    const markers = new Map<string, Marker>()
    for (const marker of this.#ports.known())
      if (isNewer(marker, markers.get(marker.id))) markers.set(marker.id, marker)
    for (const marker of this.#own.values()) if (isNewer(marker, markers.get(marker.id))) markers.set(marker.id, marker)
    return [...markers.values()].toSorted((a, b) => a.startTicks - b.startTicks)
  }

  /** Those that are not over: what goes on, and what comes. */
  get current(): readonly Marker[] {
    const nowTicks = this.#ports.nowTicks()
    return this.all.filter((marker) => markerEndTicks(marker) >= nowTicks)
  }

  /** Where the channel is on its timeline, 90 kHz. */
  get nowTicks(): number {
    return this.#ports.nowTicks()
  }

  /** Whether a break goes on then that an end without an id would be of. */
  hasBreakAt(ticks: number): boolean {
    return this.#openAt(ticks) !== undefined
  }

  find(id: string): Marker | undefined {
    return this.all.find((marker) => marker.id === id)
  }

  /**
   * Takes what is said; gives the marker as it is now, `undefined` where there is nothing that it could be about. What is said a second
   * time changes nothing.
   *
   * Of an encoder that says too much some is left out: `undefined` too.
   *
   * @throws AppError `LIMIT_EXCEEDED` for a marker that is too large, or that what ends it would make too large
   */
  tell(news: MarkerNews, source: MarkerSource): Marker | undefined {
    if (news.type === 'begin') return this.#begin(news, source)
    if (news.type === 'end') return this.#end(news, source)
    const named = this.all.filter(({ id }) => id === news.id || (news.isFamily && id.startsWith(`${news.id}-`)))
    return named.map((marker) => this.#cancel(marker, source)).at(-1)
  }

  /** Ends the breaks whose planned time is over, and whose end nobody says. Every now and then. */
  tick(): void {
    const nowTicks = this.#ports.nowTicks()
    for (const marker of this.all) {
      const { autoReturn, plannedTicks, startTicks, id } = marker
      if (!isOpen(marker) || plannedTicks === undefined) continue
      const overrunTicks = autoReturn ? 0 : Math.max(MIN_OVERRUN_TICKS, plannedTicks)
      const endTicks = startTicks + plannedTicks + overrunTicks
      if (endTicks + RETURN_GRACE_TICKS <= nowTicks) this.#end({ type: 'end', id, endTicks }, 'api')
    }
  }

  #begin(news: Extract<MarkerNews, { type: 'begin' }>, source: MarkerSource): Marker | undefined {
    const { type: _type, ...fields } = news
    const known = this.#sameAs(fields.id, fields.startTicks)
    if (known) return known
    const id = this.find(fields.id) ? `${fields.id}-${Math.round(fields.startTicks / TICKS_PER_MS)}` : fields.id
    const own = fields.kind === 'ad-break' && !fields.scte35 ? { scte35: spliceOut({ ...fields, id }) } : {}
    const marker: Marker = {
      ...fields,
      ...own,
      version: 1,
      id,
      wallMs: fields.startTicks / TICKS_PER_MS,
      revision: 0,
    }
    assertMarker(marker)
    const isMinor = MINOR.has(marker.kind)
    const sizeBytes = markerBytes(marker)
    if (source === 'encoder' && !this.#budget.spend(this.#ports.nowTicks(), sizeBytes, isMinor)) return undefined
    return this.#put(marker, 'begun', source)
  }

  /** An id may be used again when its event is over; what is announced at about the same time is the same event. */
  #sameAs(id: string, startTicks: number): Marker | undefined {
    return this.all.findLast((marker) => {
      const isNear = Math.abs(marker.startTicks - startTicks) < SAME_START_TICKS
      return isCalled(marker, id) && (isNear || (isOpen(marker) && marker.startTicks <= startTicks))
    })
  }

  #end(news: Extract<MarkerNews, { type: 'end' }>, source: MarkerSource): Marker | undefined {
    const { id, endTicks, scte35 } = news
    const marker = id === undefined ? this.#openAt(endTicks) : this.#named(id)
    if (!marker || !isOpen(marker)) return marker
    const durationTicks = Math.max(0, endTicks - marker.startTicks)
    const ended = { ...marker, durationTicks, revision: marker.revision + 1 }
    const told = { ...ended, scte35In: scte35 ?? spliceIn(ended) }
    if (source === 'api' && scte35) assertMarker(told)
    // That a break is over counts for more than the message that said so.
    return this.#put(markerProblem(told) === undefined ? told : ended, 'ended', source)
  }

  /** The newest break that has begun by then, and goes on. */
  #openAt(ticks: number): Marker | undefined {
    return this.all.findLast((marker) => isOpen(marker) && marker.startTicks <= ticks)
  }

  /** What has begun already is ended now. */
  #cancel(marker: Marker, source: MarkerSource): Marker | undefined {
    if (marker.isCancelled) return marker
    const nowTicks = this.#ports.nowTicks()
    if (marker.startTicks <= nowTicks) return this.#end({ type: 'end', id: marker.id, endTicks: nowTicks }, source)
    return this.#put({ ...marker, isCancelled: true, revision: marker.revision + 1 }, 'cancelled', source)
  }

  /** The newest one that goes by this id. */
  #named(id: string): Marker | undefined {
    return this.all.findLast((marker) => isCalled(marker, id))
  }

  #put(marker: Marker, change: MarkerChange['change'], source: MarkerSource): Marker {
    this.#forget(marker.id)
    this.#own.set(marker.id, marker)
    this.#ownBytes += markerBytes(marker)
    while (this.#own.size > MAX_MARKERS || this.#ownBytes > MAX_MARKERS_BYTES)
      this.#forget(this.#own.keys().next().value ?? '')
    this.#ports.emit(marker)
    if (!MINOR.has(marker.kind)) this.#ports.changed({ source, change, marker })
    return marker
  }

  #forget(id: string): void {
    const known = this.#own.get(id)
    if (!known) return
    this.#own.delete(id)
    this.#ownBytes -= markerBytes(known)
  }
}

function assertMarker(marker: Marker): void {
  const problem = markerProblem(marker)
  if (problem !== undefined) throw new AppError('LIMIT_EXCEEDED', `The marker can't be taken: ${problem}.`)
}

/** A break that goes on, or comes. */
function isOpen({ kind, durationTicks, isCancelled }: Marker): boolean {
  return kind === 'ad-break' && durationTicks === undefined && !isCancelled
}

/** By its id, or one that was used again and has the time behind it. */
function isCalled(marker: Marker, id: string): boolean {
  return marker.id === id || (marker.id.startsWith(`${id}-`) && /^\d{13}$/.test(marker.id.slice(id.length + 1)))
}

function isNewer(marker: Marker, than: Marker | undefined): boolean {
  return than === undefined || marker.revision > than.revision
}
