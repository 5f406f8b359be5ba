import type { MarkerDesk } from '../channel/markers.ts'
import type { MarkerNews } from '../channel/markers-news.ts'
import { spliceNews } from '../channel/markers-scte35.ts'
import type { AdMarkerCreate, AdMarkerView } from '../domain/ad-marker.ts'
import type { Channel } from '../domain/channel.ts'
import { durationMs, formatDuration } from '../domain/duration.ts'
import type { RandomBytes } from '../domain/kinds.ts'
import { formatTimestamp } from '../domain/scalars.ts'
import { fieldError } from '../domain/validation.ts'
import { AppError } from '../lib/errors.ts'
import { type Marker, markerEndTicks } from '../presentation/markers.ts'
import { PRESENTATION_TIMESCALE } from '../presentation/records.ts'

/** What a client's markers are taken with. */
export type ChannelAdMarkersPorts = {
  readonly channel: () => Channel
  /** The channel's desk as it is now. */
  readonly desk: () => MarkerDesk
  readonly random: RandomBytes
  /** Shows the channel's slate while the break of this marker lasts. */
  readonly slateDuring: (markerId: string) => void
}

const TICKS_PER_MS = PRESENTATION_TIMESCALE / 1_000
/** Two requests say the same if their times agree to a second: a repetition counts "from now" anew. */
const SAME_TICKS = PRESENTATION_TIMESCALE
const ID_BYTES = 9
const MAX_BACK_MS = 3_600_000
const MAX_AHEAD_MS = 86_400_000

/** The ad markers of a running channel as clients of the API see them. */
export class ChannelAdMarkers {
  readonly #ports: ChannelAdMarkersPorts

  constructor(ports: ChannelAdMarkersPorts) {
    this.#ports = ports
  }

  list(): AdMarkerView[] {
    return this.#ports.desk().all.map((marker) => this.#show(marker))
  }

  has(id: string): boolean {
    return this.#ports.desk().find(id) !== undefined
  }

  /**
   * Whether this can be taken.
   * @throws AppError `STATE_CONFLICT` where markers are the encoder's, the id stands for something else, or there is no break to end;
   * `REQUEST_INVALID` for a time that is too far from now
   */
  check(given: AdMarkerCreate): void {
    const { type, id, at } = given
    const { desk, channel } = this.#ports
    if (channel().adMarkerSource === 'scte35')
      throw conflict('The ad markers of this channel are those of its encoder.')
    const aheadMs = at === undefined ? 0 : Date.parse(at) - desk().nowTicks / TICKS_PER_MS
    if (aheadMs < -MAX_BACK_MS || aheadMs > MAX_AHEAD_MS) {
      throw fieldError('REQUEST_INVALID', [
        { pointer: '/at', detail: 'must be within an hour before now and a day after it' },
      ])
    }
    const known = id === undefined ? undefined : desk().find(id)
    if (type === 'splice-in') {
      const isBreak = id === undefined ? desk().hasBreakAt(this.#ticksOf(given)) : known?.kind === 'ad-break'
      if (!isBreak) throw conflict(id === undefined ? 'No break goes on.' : `There is no break ${id}.`)
      return
    }
    if (!known) return
    const { plannedTicks } = plannedOf(given)
    const isElsewhere = at !== undefined && Math.abs(Date.parse(at) - known.wallMs) * TICKS_PER_MS > SAME_TICKS
    const isSame = known.kind === 'ad-break' && known.plannedTicks === plannedTicks && !isElsewhere
    if (!isSame) throw conflict(`The id ${id} stands for another marker.`)
  }

  /** Takes what was checked. */
  take(given: AdMarkerCreate): { readonly marker: AdMarkerView; readonly isNew: boolean } {
    const { random, desk } = this.#ports
    const { id = `break-${Buffer.from(random(ID_BYTES)).toString('base64url')}` } = given
    const known = desk().find(id)
    const isNew = given.type === 'splice-out' && !known
    const marker = isNew || given.type === 'splice-in' ? desk().tell(this.#news(given, id), 'api') : known
    if (!marker) throw conflict('No break goes on.')
    if (isNew && given.showSlate) this.#ports.slateDuring(marker.id)
    return { marker: this.#show(marker), isNew }
  }

  /** Ends it, or calls it off. @throws AppError `ENTITY_NOT_FOUND` */
  end(id: string): AdMarkerView {
    const marker = this.#ports.desk().tell({ type: 'cancel', id }, 'api')
    if (!marker) throw new AppError('ENTITY_NOT_FOUND', `The channel has no marker ${id}.`)
    return this.#show(marker)
  }

  #news(given: AdMarkerCreate, id: string): MarkerNews {
    const { type, values } = given
    const ticks = this.#ticksOf(given)
    const scte35 = given.scte35 === undefined ? {} : { scte35: Uint8Array.from(Buffer.from(given.scte35, 'base64')) }
    if (type === 'splice-in') return { type: 'end', endTicks: ticks, ...(given.id !== undefined && { id }), ...scte35 }
    const told = { ...scte35, ...plannedOf(given), ...(values && { values }) }
    return { type: 'begin', id, kind: 'ad-break', startTicks: ticks, ...told }
  }

  /** When it is to be, on the channel's timeline. */
  #ticksOf({ at, offset }: AdMarkerCreate): number {
    if (at !== undefined) return Date.parse(at) * TICKS_PER_MS
    const offsetMs = offset === undefined ? 0 : durationMs(offset)
    return this.#ports.desk().nowTicks + offsetMs * TICKS_PER_MS
  }

  #show(marker: Marker): AdMarkerView {
    const { id, kind, wallMs, plannedTicks, durationTicks, scte35, scte35In, values } = marker
    return {
      id,
      kind,
      state: stateOf(marker, this.#ports.desk().nowTicks),
      // To the millisecond that manifests say.
      at: formatTimestamp(Math.round(wallMs)),
      ...(plannedTicks !== undefined && { plannedDuration: textOf(plannedTicks) }),
      ...(durationTicks !== undefined && { duration: textOf(durationTicks) }),
      ...(scte35 && { scte35: Buffer.from(scte35).toString('base64') }),
      ...(scte35In && { scte35In: Buffer.from(scte35In).toString('base64') }),
      ...(values && { values: { ...values } }),
    }
  }
}

/** How long it is to be: as is said, else as the message says. */
function plannedOf({ duration, scte35 }: AdMarkerCreate): Pick<Marker, 'plannedTicks' | 'autoReturn'> {
  if (duration !== undefined) return { plannedTicks: durationMs(duration) * TICKS_PER_MS, autoReturn: true }
  if (scte35 === undefined) return {}
  const said = spliceNews(Uint8Array.from(Buffer.from(scte35, 'base64')), { startTicks: 0 })
  const begun = said.find((news) => news.type === 'begin')
  const { plannedTicks, autoReturn } = begun ?? {}
  return { ...(plannedTicks !== undefined && { plannedTicks }), ...(autoReturn && { autoReturn }) }
}

function stateOf(marker: Marker, nowTicks: number): AdMarkerView['state'] {
  if (marker.isCancelled) return 'cancelled'
  if (marker.startTicks > nowTicks) return 'planned'
  return markerEndTicks(marker) > nowTicks ? 'running' : 'ended'
}

function textOf(ticks: number): string {
  return formatDuration(Math.round(ticks / TICKS_PER_MS))
}

function conflict(message: string): AppError {
  return new AppError('STATE_CONFLICT', message)
}
