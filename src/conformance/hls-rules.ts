import { type ReadPart, type ReadPlaylist, type ReadSegment, readPlaylist } from './hls-playlist.ts'
import { Findings, type Violation } from './violation.ts'

/** Times in a playlist are rounded; this much may come together over a segment, in seconds. */
const ROUNDING_S = 0.0015
/** AHA 14: parts last at least so much of the part target, but for the last of a segment and where a segment must be cut. */
const LEAST_PART = 0.85
/** How far a date may be from the one before and the durations since (streaming.md: one frame; encoders' clocks drift). */
const DATE_TOLERANCE_MS = 100

/** Checks a media playlist for itself (RFC 8216bis §4.4). */
export function checkPlaylist(text: string): readonly Violation[] {
  const findings = new Findings()
  const playlist = readPlaylist(text, findings)
  checkVersion(text, playlist, findings)
  checkDurations(playlist, findings)
  checkMaps(playlist, findings)
  checkDates(playlist, findings)
  checkDateRanges(playlist, findings)
  checkControl(playlist, findings)
  if (playlist.partTarget !== undefined) checkParts(playlist, playlist.partTarget, findings)
  return findings.all
}

/** Checks what a client that has `before` finds when it loads `after` (§6.2.1): what was told stays as it was. */
export function checkReload(before: string, after: string): readonly Violation[] {
  const findings = new Findings()
  const ignored = new Findings()
  const [old, now] = [readPlaylist(before, ignored), readPlaylist(after, ignored)]
  findings.expect(
    old.targetDuration === now.targetDuration,
    'hls-reload-changed',
    `the target duration was ${old.targetDuration} and is ${now.targetDuration}`,
  )
  findings.expect(
    now.mediaSequence >= old.mediaSequence,
    'hls-reload-sequence',
    `the media sequence went back from ${old.mediaSequence} to ${now.mediaSequence}`,
  )
  const oldEnd = endOf(old)
  const newEnd = endOf(now)
  findings.expect(newEnd >= oldEnd, 'hls-reload-sequence', `it ended before ${oldEnd} and ends before ${newEnd}`)
  findings.expect(
    !old.ended || (now.ended && newEnd === oldEnd),
    'hls-reload-after-end',
    'it goes on after its ENDLIST',
  )
  // Whoever skips segments is not told how many discontinuities are among them.
  if (now.skipped > 0 || old.skipped > 0) return findings.all
  const known = new Map(old.segments.map((segment) => [segment.sequence, segment]))
  for (const segment of now.segments) checkKept(known.get(segment.sequence), segment, findings)
  return findings.all
}

function endOf({ mediaSequence, skipped, segments }: ReadPlaylist): number {
  return mediaSequence + skipped + segments.length
}

/** A segment may turn out to be lost; anything else of it stays. */
function checkKept(before: ReadSegment | undefined, now: ReadSegment, findings: Findings): void {
  if (!before) return
  const isSame =
    before.uri === now.uri &&
    before.duration === now.duration &&
    before.discontinuitySequence === now.discontinuitySequence
  findings.expect(
    isSame || now.gap,
    'hls-reload-changed',
    () => `segment ${now.sequence}: ${before.uri}, now ${now.uri}`,
  )
}

/** The least version of each thing that a playlist may have (§8). */
function checkVersion(
  text: string,
  { version, isIframesOnly, skipped, segments }: ReadPlaylist,
  findings: Findings,
): void {
  const needs: [number, boolean, string][] = [
    [3, /#EXTINF:\d+\./.test(text), 'fractions of seconds'],
    [4, isIframesOnly || text.includes('#EXT-X-BYTERANGE'), 'byte ranges'],
    [5, segments.some(({ map }) => map !== undefined) && isIframesOnly, 'EXT-X-MAP of key frames'],
    [6, segments.some(({ map }) => map !== undefined) && !isIframesOnly, 'EXT-X-MAP'],
    [9, skipped > 0, 'EXT-X-SKIP'],
  ]
  for (const [least, isThere, what] of needs) {
    findings.expect(!isThere || version >= least, 'hls-version', `${what} in version ${version}`)
  }
}

function checkDurations({ targetDuration, segments }: ReadPlaylist, findings: Findings): void {
  const target = targetDuration ?? Number.NaN
  findings.expect(Number.isInteger(target) && target > 0, 'hls-target-duration', `it is ${targetDuration}`)
  for (const { sequence, duration } of segments) {
    const isWithin = Math.round(duration) <= target
    findings.expect(isWithin, 'hls-target-duration', () => `segment ${sequence} of ${duration} s`)
  }
}

/** Segments that are fMP4 by their name have a map; those of other containers have none. */
function checkMaps({ segments }: ReadPlaylist, findings: Findings): void {
  for (const { sequence, uri, map, gap } of segments) {
    const isFragment = /\.(m4s|mp4|cmf[av])(\?|$)/.test(uri)
    findings.expect(gap || isFragment === (map !== undefined), 'hls-map', () => `segment ${sequence}: ${uri}`)
  }
}

function checkDates({ segments }: ReadPlaylist, findings: Findings): void {
  let due: { readonly ms: number; readonly discontinuitySequence: number } | undefined
  for (const { sequence, dateMs, duration, discontinuitySequence } of segments) {
    const isSame = due?.discontinuitySequence === discontinuitySequence
    if (dateMs !== undefined && due) {
      const offMs = dateMs - due.ms
      const isKept = isSame ? Math.abs(offMs) <= DATE_TOLERANCE_MS : offMs >= -DATE_TOLERANCE_MS
      findings.expect(isKept, 'hls-program-date-time', () => `segment ${sequence} is off by ${Math.round(offMs)} ms`)
    }
    const startMs = dateMs ?? (isSame ? due?.ms : undefined)
    due = startMs === undefined ? undefined : { ms: startMs + duration * 1_000, discontinuitySequence }
  }
}

/** §4.4.5.1: an id, a start, and an end that is not before it. */
function checkDateRanges({ dateRanges, segments }: ReadPlaylist, findings: Findings): void {
  const isDated = segments.some(({ dateMs }) => dateMs !== undefined)
  for (const range of dateRanges) {
    const [start, end] = [Date.parse(range.get('START-DATE') ?? ''), range.get('END-DATE')]
    const duration = range.get('DURATION')
    const isEndKept = end === undefined || Date.parse(end) >= start
    const isDurationKept = duration === undefined || Number(duration) >= 0
    const isKept = range.has('ID') && Number.isFinite(start) && isEndKept && isDurationKept && isDated
    findings.expect(isKept, 'hls-date-range', () => `${range.get('ID')} from ${range.get('START-DATE')}`)
  }
}

/** §4.4.3.8. */
function checkControl({ serverControl, partTarget, targetDuration = 0 }: ReadPlaylist, findings: Findings): void {
  const number = (name: string) => (serverControl?.has(name) ? Number(serverControl.get(name)) : undefined)
  const least: [string, number][] = [
    ['CAN-SKIP-UNTIL', 6 * targetDuration],
    ['HOLD-BACK', 3 * targetDuration],
    ['PART-HOLD-BACK', 3 * (partTarget ?? 0)],
  ]
  for (const [name, limit] of least) {
    const value = number(name)
    findings.expect(value === undefined || value >= limit - ROUNDING_S, 'hls-server-control', `${name} is ${value}`)
  }
  if (partTarget === undefined) return
  findings.expect(number('PART-HOLD-BACK') !== undefined, 'hls-server-control', 'parts without a PART-HOLD-BACK')
}

/** §4.4.4.9 and AHA 14. */
function checkParts(playlist: ReadPlaylist, target: number, findings: Findings): void {
  const { segments, openParts, preloadHints, ended } = playlist
  findings.expect(target > 0, 'hls-part-duration', `the part target is ${target}`)
  for (const { sequence, parts, duration } of segments) {
    checkRun(parts, target, findings)
    const sum = parts.reduce((total, part) => total + part.duration, 0)
    const isWhole = parts.length === 0 || Math.abs(sum - duration) <= ROUNDING_S * parts.length
    findings.expect(isWhole, 'hls-part-sum', () => `segment ${sequence} of ${duration} s has parts of ${sum} s`)
  }
  checkRun(openParts, target, findings)
  const listed = new Set([...segments.flatMap(({ parts }) => parts), ...openParts].map(({ uri }) => uri))
  for (const hint of preloadHints) {
    const uri = hint.get('URI') ?? ''
    const isNew = uri !== '' && (hint.get('TYPE') !== 'PART' || !listed.has(uri))
    findings.expect(isNew && !ended, 'hls-preload-hint', () => `${hint.get('TYPE')} ${uri}`)
  }
  for (const report of playlist.renditionReports) {
    const isNamed = (report.get('URI') ?? '') !== '' && !/^[a-z]+:/.test(report.get('URI') ?? '')
    findings.expect(isNamed && report.has('LAST-MSN'), 'hls-rendition-report', () => String(report.get('URI')))
  }
}

/** The last part of a segment may be shorter; of an open segment, the last one that is listed may be that one. */
function checkRun(parts: readonly ReadPart[], target: number, findings: Findings): void {
  for (const [at, { duration, uri }] of parts.entries()) {
    const isLast = at === parts.length - 1
    const isKept = duration <= target + ROUNDING_S && (isLast || duration >= target * LEAST_PART - ROUNDING_S)
    findings.expect(isKept, 'hls-part-duration', () => `${uri} lasts ${duration} s of ${target}`)
  }
}
