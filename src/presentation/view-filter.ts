/** What a track has to be, or not to be. Texts are compared without regard to case. */
export type TrackCondition =
  | {
      readonly property: 'type' | 'name' | 'language' | 'codec'
      readonly operation: 'equal' | 'notEqual'
      readonly value: string
    }
  /** Bits per second, both ends included. */
  | {
      readonly property: 'bitrate'
      readonly operation: 'equal' | 'notEqual'
      readonly from: number
      readonly to: number
    }

/** Which part of the time; milliseconds. */
export type TimeRange = {
  /** From the presentation's beginning. */
  readonly startMs?: number
  readonly endMs?: number
  /** How far behind the live edge the newest segment is that is shown. */
  readonly liveBackoffMs?: number
  /** How far back a live manifest reaches. */
  readonly windowMs?: number
  /** `endMs` holds while it is live as well. */
  readonly forceEnd: boolean
}

/** A rule for what of a presentation a player is shown. */
export type ViewFilter = {
  readonly timeRange?: TimeRange
  /** All conditions of one of the lists must hold; none: every track. */
  readonly tracks: readonly (readonly TrackCondition[])[]
  /** Bits per second of the rendition that is listed first. */
  readonly firstQuality?: number
}

/** What is shown: what every filter lets through, and of that what lies between two times. */
export type Selection = {
  readonly filters: readonly ViewFilter[]
  /** By the wall clock that viewers see, ms since the epoch; with a start nothing from there on leaves the window. */
  readonly startMs?: number
  readonly endMs?: number
}

/** Whether everything is shown as it is. */
export function isWhole({ filters, startMs, endMs }: Selection): boolean {
  return filters.length === 0 && startMs === undefined && endMs === undefined
}
