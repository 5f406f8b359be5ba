import fc from 'fast-check'
import hlsParser from 'hls-parser'
import { Parser } from 'm3u8-parser'
import { describe, expect, test } from 'vitest'
import { buildMediaPlaylist } from '../../../src/manifest/hls-media.ts'
import type { LogRecord, PresentationHeader } from '../../../src/presentation/records.ts'
import type { PresentationView, Rendition } from '../../../src/presentation/view.ts'
import { eachVersion, FRAME_TICKS, headers, logOf, lossySteps, steps } from './random-script.ts'
import { allManifests, presentationOf, readMpd, sampleUris } from './sample-manifests.ts'

hlsParser.setOptions({ strictMode: true })

type Listing = {
  readonly mediaSequence: number
  readonly durations: readonly number[]
  readonly timelines: readonly number[]
  readonly uris: readonly string[]
  readonly maps: readonly (string | undefined)[]
  readonly targetDuration: number
}

function listing(view: PresentationView, rendition: Rendition): Listing {
  const parser = new Parser()
  parser.push(buildMediaPlaylist(view, rendition, sampleUris))
  parser.end()
  const { segments, mediaSequence, targetDuration } = parser.manifest
  return {
    mediaSequence,
    targetDuration,
    durations: segments.map(({ duration }) => duration),
    timelines: segments.map(({ timeline }) => timeline),
    uris: segments.map(({ uri }) => uri),
    maps: segments.map(({ map }) => map?.uri),
  }
}

function check(property: (header: PresentationHeader, records: readonly LogRecord[]) => void, numRuns = 60): void {
  fc.assert(
    fc.property(headers, steps, fc.boolean(), (header, script, ends) => property(header, logOf(header, script, ends))),
    { numRuns },
  )
}

describe('playlists of any log', () => {
  test('what was said of a segment is never taken back, and numbers only grow', () => {
    check((header, records) => {
      const said = new Map<string, unknown>()
      let before = 0
      eachVersion(header, records, (view) => {
        for (const rendition of view.renditions) {
          const { mediaSequence, durations, timelines, uris } = listing(view, rendition)
          expect(mediaSequence).toBeGreaterThanOrEqual(before)
          for (const [at, uri] of uris.entries()) {
            const sequence = mediaSequence + at
            expect(timelines[at]).toBe(view.segment(sequence)?.discontinuitySequence)
            const key = `${rendition.name}/${sequence}`
            const now = [durations[at], view.renditionSegment(rendition.index, sequence) ? uri : undefined]
            expect(said.get(key) ?? now).toEqual(now)
            said.set(key, now)
          }
        }
        before = Math.max(before, ...view.renditions.map((rendition) => listing(view, rendition).mediaSequence))
      })
    }, 30)
  })

  test('every rendition lists the same segments, of the same stretches of timeline', () => {
    check((header, records) => {
      const view = presentationOf(header, records)
      const [first, ...others] = view.renditions.map((rendition) => listing(view, rendition))
      for (const other of others) {
        expect(other.mediaSequence).toBe(first?.mediaSequence)
        expect(other.timelines).toEqual(first?.timelines)
      }
    })
  })

  test('every segment stands under the init segment of its track', () => {
    check((header, records) => {
      const view = presentationOf(header, records)
      for (const rendition of view.renditions) {
        const { mediaSequence, maps } = listing(view, rendition)
        for (const [at, map] of maps.entries()) {
          const media = view.renditionSegment(rendition.index, mediaSequence + at)
          if (media) expect(map).toBe(`init-${media.track}.mp4`)
        }
      }
    })
  })

  test('durations sum up to the media within a frame, and one more for each gap between, and obey the target', () => {
    check((header, records) => {
      const view = presentationOf(header, records)
      for (const rendition of view.renditions) {
        const { mediaSequence, durations, targetDuration } = listing(view, rendition)
        for (const duration of durations) expect(Math.round(duration)).toBeLessThanOrEqual(targetDuration)
        for (let from = 0; from < durations.length; from++) {
          const first = view.renditionSegment(rendition.index, mediaSequence + from)
          const stretch = view.segment(mediaSequence + from)?.discontinuitySequence
          let sum = 0
          let gaps = 0
          let wasGap = false
          for (let to = from; to < durations.length; to++) {
            if (view.segment(mediaSequence + to)?.discontinuitySequence !== stretch) break
            sum += durations[to] ?? 0
            const last = view.renditionSegment(rendition.index, mediaSequence + to)
            if (!last && !wasGap) gaps++
            wasGap = !last
            if (!first || !last) continue
            const { timescale = 1, config } = view.track(last.track) ?? {}
            const frameTicks = config?.kind === 'audio' ? 1_024 : FRAME_TICKS
            const mediaTicks = last.startTicks + last.durationTicks - first.startTicks
            expect(Math.abs(sum * timescale - mediaTicks)).toBeLessThan(frameTicks * (1 + gaps))
          }
        }
      }
    })
  })

  test('hls-parser takes them all', () => {
    check((header, records) => {
      const view = presentationOf(header, records)
      if (view.firstSequence === view.endSequence) return
      const manifests = allManifests(view)
      for (const { name, index } of view.renditions) {
        const parsed = hlsParser.parse(manifests[name] ?? '')
        if (parsed.isMasterPlaylist) throw new Error('not a media playlist')
        const gaps = parsed.segments.map(({ mediaSequenceNumber, gap }) => [mediaSequenceNumber, gap === true])
        const first = parsed.mediaSequenceBase ?? 0
        expect(gaps).toEqual(gaps.map((_, at) => [first + at, view.renditionSegment(index, first + at) === undefined]))
        expect(hlsParser.parse(manifests[`${name}-iframes`] ?? '').isMasterPlaylist).toBe(false)
      }
      expect(hlsParser.parse(manifests['master'] ?? '').isMasterPlaylist).toBe(true)
    }, 30)
  })
})

describe('MPDs of any log', () => {
  test('list just the media of the window, at its true time on the epoch', () => {
    check((header, records) => {
      const view = presentationOf(header, records)
      const { periods } = readMpd(view, { endedTimeline: 'epoch' })
      for (const rendition of view.renditions) {
        const { mediaSequence, uris } = listing(view, rendition)
        const expected = uris.filter((_, at) => view.renditionSegment(rendition.index, mediaSequence + at))
        const found = periods.flatMap(({ representations }) =>
          representations
            .filter(({ media }) => media.startsWith(`${rendition.name}/`))
            .flatMap(({ media, segments }) =>
              segments.map(({ startTicks }) => media.replace('$Time$', `${startTicks}`)),
            ),
        )
        expect(found).toEqual(expected)
      }
      for (const { startSeconds, representations } of periods) {
        for (const { presentationTimeOffset, timescale, segments } of representations) {
          expect(Math.abs(presentationTimeOffset / timescale - startSeconds)).toBeLessThan(2 / timescale)
          let endTicks = 0
          for (const segment of segments) {
            expect(segment.startTicks).toBeGreaterThanOrEqual(endTicks)
            endTicks = segment.startTicks + segment.durationTicks
          }
        }
      }
    })
  })

  test('never move a period, from one version to the next', () => {
    check((header, records) => {
      const starts = new Map<string, number>()
      eachVersion(header, records, (view) => {
        const { periods } = readMpd(view, { endedTimeline: 'epoch' })
        for (const { id, startSeconds, representations } of periods) {
          if (representations.length === 0) continue
          expect(starts.get(id) ?? startSeconds).toBe(startSeconds)
          starts.set(id, startSeconds)
        }
        const listed = periods.map(({ startSeconds }) => startSeconds)
        expect(listed).toEqual(listed.toSorted((a, b) => a - b))
      })
    }, 30)
  })

  test('of an ended log play the same from 0', () => {
    check((header, records) => {
      const view = presentationOf(header, records)
      if (!view.ended) return
      const zero = readMpd(view)
      const epoch = readMpd(view, { endedTimeline: 'epoch' })
      expect(zero.periods.map(({ id }) => id)).toEqual(epoch.periods.map(({ id }) => id))
      if (zero.periods[0]?.representations.length) expect(zero.periods[0].startSeconds).toBe(0)
      for (const [at, { startSeconds, representations }] of zero.periods.slice(1).entries()) {
        const before = zero.periods[at]?.startSeconds ?? 0
        expect(startSeconds).toBeGreaterThan(before)
        expect(representations).toEqual(epoch.periods[at + 1]?.representations)
      }
    })
  })
})

describe('readers of the same log', () => {
  test('say the same bytes, whether they read it or were brought up to date', () => {
    fc.assert(
      fc.property(
        headers,
        lossySteps(8, 40),
        fc.constantFrom(false, true, 'archived' as const),
        (header, script, ends) => {
          const records = logOf(header, script, ends)
          const view = presentationOf(header, records)
          const replica = presentationOf(view.header, view.records())
          expect(replica.version).toBe(view.version)
          expect(allManifests(replica)).toEqual(allManifests(view))
          const middle = presentationOf(header, records.slice(0, records.length >> 1))
          const late = presentationOf(middle.header, middle.records())
          for (const record of records.slice(Math.max(1, records.length >> 1))) late.apply(record)
          expect(late.version).toBe(view.version)
          expect(allManifests(late)).toEqual(allManifests(view))
        },
      ),
      { numRuns: 60 },
    )
  })
})
