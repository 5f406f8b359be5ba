import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import { buildMasterPlaylist } from '../../../src/manifest/hls-master.ts'
import { buildMediaPlaylist, type PlaylistOptions } from '../../../src/manifest/hls-media.ts'
import { ListingSurvey } from '../../../src/manifest/listing-survey.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { sampleHeader } from '../presentation/sample-log.ts'
import { type HeldPlaylist, type KnownSegment, mergeDelta, readPlaylist, resolve } from './playlist-client.ts'
import { eachVersion, logOf, lossySteps, type Step } from './random-script.ts'
import { sampleUris } from './sample-manifests.ts'

/** The least boundary, and updates however little they skip, so that short logs have many of them. */
const everySkip: PlaylistOptions = { skip: true, skipRule: { boundaryTargets: 6, minSkipped: 1 } }
/** How many versions a player is behind that reloads. */
const LAGS = [1, 4, 15]

const windows = fc
  .option(fc.integer({ min: 20_000, max: 200_000 }), { nil: undefined })
  .map((rewindWindowMs) => ({ ...sampleHeader, ...(rewindWindowMs === undefined ? {} : { rewindWindowMs }) }))

/** A double discontinuity whose row comes first when all before it is gone can't be told from a single one. */
function withoutDoubles(script: readonly Step[]): readonly Step[] {
  let isAfterJump = false
  return script.flatMap((step): Step[] => {
    const isJump = step.type === 'discontinuity' || step.type === 'change'
    const isDouble = isJump && isAfterJump
    if (step.type !== 'evict' && step.type !== 'lose') isAfterJump = isJump
    return isDouble ? [{ type: 'gap', amount: 1 }, step] : [step]
  })
}

/** What of a segment means something to a player: nobody loads a gap, so it matters not whose URI it has. */
function meaning({ uri, map, byteRange, dateMs: _, ...segment }: KnownSegment) {
  return segment.gap ? segment : { ...segment, uri, map, byteRange }
}

function expectSame(merged: HeldPlaylist, whole: HeldPlaylist): void {
  const [found, wanted] = [resolve(merged), resolve(whole)]
  // Comparing texts is the quick way to say that nothing is wrong.
  const [foundMeaning, wantedMeaning] = [found.map(meaning), wanted.map(meaning)]
  if (JSON.stringify(foundMeaning) !== JSON.stringify(wantedMeaning)) expect(foundMeaning).toEqual(wantedMeaning)
  const offMs = wanted.map(({ dateMs = 0 }, at) => Math.abs((found[at]?.dateMs ?? Number.NaN) - dateMs))
  // A date that is counted on over gaps is as exact as the durations of these, a frame of audio each.
  expect([merged.ended, offMs.every((ms) => ms < 40)]).toEqual([whole.ended, true])
}

/** Every playlist of a view, as a player holds it that has just come. */
function wholes(view: PresentationView): readonly HeldPlaylist[] {
  return optionsOf(view).map(([rendition, options]) =>
    readPlaylist(buildMediaPlaylist(view, rendition, sampleUris, { ...everySkip, ...options, skip: false })),
  )
}

function deltas(view: PresentationView): readonly string[] {
  return optionsOf(view).map(([rendition, options]) =>
    buildMediaPlaylist(view, rendition, sampleUris, { ...everySkip, ...options }),
  )
}

/** The segments of every rendition, and the key frames of one. */
function optionsOf({ renditions }: PresentationView) {
  return renditions.flatMap((rendition) => {
    const lists = rendition.index === 1 ? (['segments', 'key-frames'] as const) : (['segments'] as const)
    return lists.map((listed) => [rendition, { lists: listed }] as const)
  })
}

describe('delta updates of any log', () => {
  test('merged by a player that is some versions behind, say what the whole playlist says', () => {
    let used = 0
    fc.assert(
      fc.property(windows, lossySteps(20, 60), fc.boolean(), (header, script, ends) => {
        const history: (readonly HeldPlaylist[])[] = []
        let followed: readonly HeldPlaylist[] | undefined
        eachVersion(header, logOf(header, withoutDoubles(script), ends), (view) => {
          const whole = wholes(view)
          const texts = deltas(view)
          const merge = (held: readonly HeldPlaylist[]) =>
            texts.map((text, at) => {
              const before = held[at]
              const merged = before && mergeDelta(before, text)
              if (merged && text.includes('EXT-X-SKIP')) used++
              if (merged) expectSame(merged, whole[at] as HeldPlaylist)
              return merged ?? (whole[at] as HeldPlaylist)
            })
          for (const lag of LAGS) {
            const held = history.at(-lag)
            if (held) merge(held)
          }
          followed = followed ? merge(followed) : whole
          history.push(whole)
        })
      }),
      { numRuns: 10 },
    )
    expect(used).toBeGreaterThan(300)
  })

  test('skip nothing nearer to the end than the boundary, and all that they promise', () => {
    fc.assert(
      fc.property(windows, lossySteps(20, 60), (header, script) => {
        eachVersion(header, logOf(header, script, false), (view) => {
          for (const [at, text] of deltas(view).entries()) {
            const { skipped } = readPlaylist(text)
            const boundary = Number(/CAN-SKIP-UNTIL=([\d.]+)/.exec(text)?.[1] ?? Number.NaN)
            expect(skipped === 0 || boundary >= 12).toBe(true)
            const all = resolve(wholes(view)[at] as HeldPlaylist)
            const left = all.slice(skipped).reduce((sum, { duration }) => sum + duration, 0)
            if (skipped > 0) expect(left).toBeGreaterThanOrEqual(boundary)
          }
        })
      }),
      { numRuns: 6 },
    )
  })
})

describe('a survey that follows a presentation', () => {
  test('says what a fresh one says', () => {
    const longs = fc
      .integer({ min: 60_000, max: 2_400_000 })
      .map((rewindWindowMs) => ({ ...sampleHeader, rewindWindowMs }))
    fc.assert(
      fc.property(longs, lossySteps(120, 1_500), fc.constantFrom(true, 'archived' as const), (header, script, ends) => {
        let survey: ListingSurvey | undefined
        let seen = 0
        eachVersion(header, logOf(header, script, ends), (view) => {
          survey ??= new ListingSurvey(view)
          if (seen++ % 97 !== 0 && !view.ended) return
          expect(manifests(view, survey)).toEqual(manifests(view, new ListingSurvey(view)))
        })
      }),
      { numRuns: 3 },
    )
  })
})

function manifests(view: PresentationView, survey: ListingSurvey): readonly string[] {
  return [
    buildMasterPlaylist(view, sampleUris, {}, survey),
    buildMpd(view, sampleUris, {}, survey),
    buildMpd(view, sampleUris, { endedTimeline: 'epoch', rewind: 'full' }, survey),
    ...optionsOf(view).flatMap(([rendition, options]) => [
      buildMediaPlaylist(view, rendition, sampleUris, options, survey),
      buildMediaPlaylist(view, rendition, sampleUris, { ...options, skip: true }, survey),
    ]),
  ]
}
