import { expect, it } from 'vitest'
import { FilteredView } from '../../../src/presentation/filtered-view.ts'
import { KeyPeriodsView } from '../../../src/presentation/key-periods-view.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { TextedView } from '../../../src/presentation/texted-view.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { START_TICKS, sampleHeader, videoTrack } from './sample-log.ts'

const events = { kind: 'video', boxes: Uint8Array.of(1, 2, 3) } as const

function whole(): Presentation {
  const log = new Presentation(sampleHeader)
  log.apply({ type: 'track-added', track: videoTrack(1, 'video-1') })
  for (const sequence of [0, 1]) {
    const startTicks = START_TICKS + sequence * 180_000
    const at = { sequence, startTicks, wallMs: 0 }
    log.apply({ type: 'segment-opened', ...at, discontinuitySequence: 0, ...(sequence === 1 && { events }) })
    const media = { durationTicks: 180_000, sizeBytes: 100, leadingBytes: 10, independent: true }
    log.apply({ type: 'fragment', ...at, track: 1, ...media })
    log.apply({ type: 'segment-closed', sequence, durationTicks: 180_000 })
  }
  log.apply({ type: 'ended' })
  return log
}

it.each<[string, (view: PresentationView) => PresentationView]>([
  ['texts', (view) => new TextedView(view, [])],
  ['periods of keys', (view) => new KeyPeriodsView(view, 60_000)],
  ['filters', (view) => new FilteredView(view, { filters: [] })],
])('with %s around it, a presentation has the same media', (_name, wrap) => {
  const view = whole()
  const wrapped = wrap(view)
  const mediaOf = (each: PresentationView) => ({
    ...{ first: each.firstSequence, end: each.endSequence, ended: each.ended, tracks: each.renditions },
    rows: [0, 1].map((sequence) => ({ ...each.segment(sequence), discontinuitySequence: 0 })),
    media: [0, 1].map((sequence) => each.renditionSegment(0, sequence)),
    events: [0, 1].map((sequence) => each.events(sequence)),
    spans: [0, 1].map((sequence) => each.span(sequence)),
    found: each.findSegment(0, START_TICKS + 180_000),
    track: each.track(1),
  })
  expect(mediaOf(wrapped)).toEqual(mediaOf(view))
  expect(wrapped.events(1)).toMatchObject(events)
})
