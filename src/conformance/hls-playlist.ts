import type { Findings } from './violation.ts'

/** A tag's attribute list (RFC 8216bis §4.2): names and values, quotes taken off. */
export type Attributes = ReadonlyMap<string, string>

/** `EXT-X-PART`. */
export type ReadPart = {
  readonly uri: string
  readonly duration: number
  readonly independent: boolean
  readonly gap: boolean
}

/** A segment as the playlist's lines have it. */
export type ReadSegment = {
  readonly sequence: number
  readonly discontinuitySequence: number
  readonly uri: string
  readonly duration: number
  readonly gap: boolean
  readonly map: string | undefined
  readonly byteRange: string | undefined
  readonly dateMs: number | undefined
  readonly parts: readonly ReadPart[]
}

/** A media playlist as a client reads it, line by line (RFC 8216bis §4). Nothing here knows how it was written. */
export type ReadPlaylist = {
  readonly version: number
  readonly targetDuration: number | undefined
  readonly mediaSequence: number
  readonly discontinuitySequence: number
  readonly partTarget: number | undefined
  readonly serverControl: Attributes | undefined
  readonly skipped: number
  readonly isIframesOnly: boolean
  readonly ended: boolean
  readonly segments: readonly ReadSegment[]
  /** Parts of the segment that is not complete yet. */
  readonly openParts: readonly ReadPart[]
  readonly preloadHints: readonly Attributes[]
  readonly renditionReports: readonly Attributes[]
  readonly dateRanges: readonly Attributes[]
}

const ATTRIBUTE = /([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(?:,|$)/y

/** `undefined` where the text is no attribute list. */
export function readAttributes(text: string): Attributes | undefined {
  const attributes = new Map<string, string>()
  ATTRIBUTE.lastIndex = 0
  while (ATTRIBUTE.lastIndex < text.length) {
    const match = ATTRIBUTE.exec(text)
    const [, name = '', value = ''] = match ?? []
    if (!match || attributes.has(name)) return undefined
    attributes.set(name, value.startsWith('"') ? value.slice(1, -1) : value)
  }
  return attributes
}

type Pending = {
  duration: number | undefined
  gap: boolean
  dateMs: number | undefined
  byteRange: string | undefined
  parts: ReadPart[]
}

const nothingPending = (): Pending => ({
  duration: undefined,
  gap: false,
  dateMs: undefined,
  byteRange: undefined,
  parts: [],
})

/** Reads a media playlist, and notes what is none of its syntax. */
export function readPlaylist(text: string, findings: Findings): ReadPlaylist {
  return new Reader(findings).read(text)
}

class Reader {
  readonly #findings: Findings
  readonly #segments: ReadSegment[] = []
  readonly #hints: Attributes[] = []
  readonly #reports: Attributes[] = []
  readonly #dateRanges: Attributes[] = []
  readonly #seen = new Map<string, string>()
  #pending = nothingPending()
  #map: string | undefined
  #discontinuities = 0
  #skipped = 0

  constructor(findings: Findings) {
    this.#findings = findings
  }

  read(text: string): ReadPlaylist {
    const lines = text.split(/\r?\n/)
    this.#findings.expect(lines[0] === '#EXTM3U', 'hls-syntax', 'the first line is not #EXTM3U')
    for (const line of lines.slice(1)) {
      if (line.startsWith('#EXT')) this.#tag(line)
      else if (line !== '' && !line.startsWith('#')) this.#uri(line)
    }
    const number = (tag: string) => (this.#seen.has(tag) ? Number(this.#seen.get(tag)) : undefined)
    const control = this.#seen.get('#EXT-X-SERVER-CONTROL')
    const part = this.#seen.get('#EXT-X-PART-INF')
    return {
      version: number('#EXT-X-VERSION') ?? 1,
      targetDuration: number('#EXT-X-TARGETDURATION'),
      mediaSequence: number('#EXT-X-MEDIA-SEQUENCE') ?? 0,
      discontinuitySequence: number('#EXT-X-DISCONTINUITY-SEQUENCE') ?? 0,
      partTarget: part === undefined ? undefined : Number(readAttributes(part)?.get('PART-TARGET')),
      serverControl: control === undefined ? undefined : this.#attributes('#EXT-X-SERVER-CONTROL', control),
      skipped: this.#skipped,
      isIframesOnly: this.#seen.has('#EXT-X-I-FRAMES-ONLY'),
      ended: this.#seen.has('#EXT-X-ENDLIST'),
      segments: this.#segments,
      openParts: this.#pending.parts,
      preloadHints: this.#hints,
      renditionReports: this.#reports,
      dateRanges: this.#dateRanges,
    }
  }

  #tag(line: string): void {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1)
    switch (name) {
      case '#EXTINF':
        this.#pending.duration = this.#duration(value)
        return
      case '#EXT-X-GAP':
        this.#pending.gap = true
        return
      case '#EXT-X-BYTERANGE':
        this.#pending.byteRange = value
        return
      case '#EXT-X-PROGRAM-DATE-TIME':
        this.#pending.dateMs = Date.parse(value)
        this.#findings.expect(Number.isFinite(this.#pending.dateMs), 'hls-syntax', line)
        return
      case '#EXT-X-DISCONTINUITY':
        this.#discontinuities++
        return
      case '#EXT-X-MAP':
        this.#map = this.#attributes(name, value).get('URI')
        this.#findings.expect(this.#map !== undefined, 'hls-map', line)
        return
      case '#EXT-X-PART':
        this.#pending.parts.push(this.#part(value))
        return
      case '#EXT-X-PRELOAD-HINT':
        this.#hints.push(this.#attributes(name, value))
        return
      case '#EXT-X-RENDITION-REPORT':
        this.#reports.push(this.#attributes(name, value))
        return
      case '#EXT-X-DATERANGE':
        this.#dateRanges.push(this.#attributes(name, value))
        return
      case '#EXT-X-SKIP':
        this.#skipped = Number(this.#attributes(name, value).get('SKIPPED-SEGMENTS'))
        this.#findings.expect(this.#skipped > 0, 'hls-syntax', line)
        return
      default:
        this.#once(name, value)
    }
  }

  /** Tags that speak of the whole playlist stand in it once (§4.4.3). */
  #once(name: string, value: string): void {
    const isSegmentTag = /^#EXT-X-(KEY|BITRATE|CUE-|OATCLS|ASSET|SCTE35|SESSION)/.test(name)
    if (isSegmentTag) return
    this.#findings.expect(!this.#seen.has(name), 'hls-syntax', `${name} stands there twice`)
    this.#seen.set(name, value)
  }

  #uri(uri: string): void {
    const { duration, gap, dateMs, byteRange, parts } = this.#pending
    this.#findings.expect(duration !== undefined, 'hls-syntax', `${uri} has no EXTINF`)
    const first = Number(this.#seen.get('#EXT-X-MEDIA-SEQUENCE') ?? 0) + this.#skipped
    this.#segments.push({
      sequence: first + this.#segments.length,
      discontinuitySequence: Number(this.#seen.get('#EXT-X-DISCONTINUITY-SEQUENCE') ?? 0) + this.#discontinuities,
      ...{ uri, duration: duration ?? 0, gap, dateMs, byteRange, parts, map: this.#map },
    })
    this.#pending = nothingPending()
  }

  #duration(value: string): number {
    const text = value.split(',', 1)[0] ?? ''
    this.#findings.expect(/^\d+(\.\d+)?$/.test(text), 'hls-syntax', `EXTINF:${value}`)
    return Number(text)
  }

  #part(value: string): ReadPart {
    const attributes = this.#attributes('#EXT-X-PART', value)
    const duration = Number(attributes.get('DURATION'))
    const uri = attributes.get('URI') ?? ''
    this.#findings.expect(duration > 0 && uri !== '', 'hls-syntax', `EXT-X-PART:${value}`)
    return {
      ...{ uri, duration },
      independent: attributes.get('INDEPENDENT') === 'YES',
      gap: attributes.get('GAP') === 'YES',
    }
  }

  #attributes(name: string, value: string): Attributes {
    const attributes = readAttributes(value)
    this.#findings.expect(attributes !== undefined, 'hls-syntax', `${name}:${value}`)
    return attributes ?? new Map()
  }
}
