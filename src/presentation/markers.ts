/** What a marker tells of. */
export const markerKinds = ['ad-break', 'splice', 'cue', 'text', 'id3', 'program-boundary'] as const
/** One of them: a break for advertisements; another SCTE-35 message; what an encoder calls a cue point; a text; a tag; where a program begins or ends. */
export type MarkerKind = (typeof markerKinds)[number]

/**
 * An event on the timeline of a presentation. What it is, where it starts and how long it is planned never change; that it is over,
 * and what ended it, may be added (RFC 8216bis §4.4.5.1).
 */
export type Marker = {
  /** Of this form; a reader of another one leaves the marker out. */
  readonly version: 1
  /** Unique in the presentation. */
  readonly id: string
  readonly kind: MarkerKind
  /** 90 kHz. */
  readonly startTicks: number
  /** Wall clock of that instant, ms since the epoch. */
  readonly wallMs: number
  readonly plannedTicks?: number
  /** It ends by itself when what was planned is over. */
  readonly autoReturn?: true
  /** How long it was; known when it is over. */
  readonly durationTicks?: number
  /** The SCTE-35 `splice_info_section` that began it, or that it is. */
  readonly scte35?: Uint8Array
  /** The one that ended it. */
  readonly scte35In?: Uint8Array
  /** What else is known of it, for people and players. */
  readonly values?: Readonly<Record<string, string>>
  /** It was called off before it began: nobody is told of it any more. */
  readonly isCancelled?: true
  /** How often something was added. */
  readonly revision: number
}

/** A marker as a presentation has it. */
export type PlacedMarker = Marker & {
  /** The segment that was being written, or was to come next, when something was last said of it. */
  readonly changedSequence: number
}

/** What one marker may hold, in bytes about. */
export const MAX_MARKER_BYTES = 4_096
/** What a presentation keeps; past it the oldest goes, what is no advertisement first. */
export const MAX_MARKERS = 1_000
/** And in bytes, as `markerBytes` counts them. */
export const MAX_MARKERS_BYTES = 262_144
/** Of the text of an id. */
export const MAX_MARKER_ID = 128

/** Bytes that a marker holds, about. */
export function markerBytes({ id, scte35, scte35In, values = {} }: Marker): number {
  const texts = Object.entries(values).reduce(
    (sum, [key, text]) => sum + Buffer.byteLength(key) + Buffer.byteLength(text),
    0,
  )
  return id.length + (scte35?.byteLength ?? 0) + (scte35In?.byteLength ?? 0) + texts
}

/** Where a marker ends, 90 kHz, as far as is known; infinity of a break that goes on until it is ended. */
export function markerEndTicks({ startTicks, durationTicks, plannedTicks, kind }: Marker): number {
  const openTicks = kind === 'ad-break' ? Number.POSITIVE_INFINITY : 0
  return startTicks + (durationTicks ?? plannedTicks ?? openTicks)
}

/** What is wrong with a marker as part of a log; `undefined`: nothing. */
export function markerProblem(marker: Marker): string | undefined {
  const { version, id, startTicks, wallMs, plannedTicks = 0, durationTicks = 0 } = marker
  if (version !== 1) return 'its form is of another version'
  if (id.length === 0 || id.length > MAX_MARKER_ID) return `its id has 1 to ${MAX_MARKER_ID} characters`
  const times = [startTicks, plannedTicks, durationTicks]
  if (times.some((ticks) => !Number.isSafeInteger(ticks) || ticks < 0)) return 'its times are no whole ticks'
  if (!Number.isFinite(wallMs)) return 'its wall clock is no time'
  return markerBytes(marker) > MAX_MARKER_BYTES ? `it has at most ${MAX_MARKER_BYTES} bytes` : undefined
}

/** `known` with what `next` may add to it. */
export function extendMarker(known: Marker, next: Marker): Marker {
  const { durationTicks = next.durationTicks, scte35In = next.scte35In, isCancelled = next.isCancelled } = known
  return {
    ...known,
    ...(durationTicks !== undefined && { durationTicks }),
    ...(scte35In !== undefined && { scte35In }),
    ...(isCancelled && { isCancelled }),
    revision: Math.max(known.revision, next.revision),
  }
}

/** The markers of a presentation, in the order of their start. */
export class MarkerTable {
  #markers: readonly PlacedMarker[] = []
  #bytes = 0

  /** Another array with every change. */
  get all(): readonly PlacedMarker[] {
    return this.#markers
  }

  /** Takes a snapshot over. */
  restore(markers: readonly PlacedMarker[]): void {
    this.#keep(markers)
  }

  /** Adds a marker, or what is new of one that is there. */
  put(marker: Marker, changedSequence: number): void {
    const known = this.#markers.find(({ id }) => id === marker.id)
    const placed = { ...(known ? extendMarker(known, marker) : marker), changedSequence }
    const others = this.#markers.filter((other) => other !== known)
    const at = others.findIndex((other) => isBefore(placed, other))
    this.#markers = at === -1 ? [...others, placed] : others.toSpliced(at, 0, placed)
    this.#bytes += markerBytes(placed) - (known ? markerBytes(known) : 0)
    while (this.#markers.length > MAX_MARKERS || this.#bytes > MAX_MARKERS_BYTES) this.#dropOldest()
  }

  /** Forgets what was over at `startTicks`, where what is kept begins. A break that nobody ended is not over. */
  trim(startTicks: number): void {
    if (this.#markers.every((marker) => markerEndTicks(marker) >= startTicks)) return
    this.#keep(this.#markers.filter((marker) => markerEndTicks(marker) >= startTicks))
  }

  #keep(markers: readonly PlacedMarker[]): void {
    this.#markers = markers
    this.#bytes = markers.reduce((sum, marker) => sum + markerBytes(marker), 0)
  }

  #dropOldest(): void {
    const minor = this.#markers.findIndex(({ kind }) => kind === 'text' || kind === 'cue' || kind === 'id3')
    const at = Math.max(0, minor)
    const dropped = this.#markers[at]
    this.#markers = this.#markers.toSpliced(at, 1)
    if (dropped) this.#bytes -= markerBytes(dropped)
  }
}

function isBefore(one: Marker, other: Marker): boolean {
  if (one.startTicks !== other.startTicks) return one.startTicks < other.startTicks
  return one.id < other.id
}
