import { expect, it } from 'vitest'
import { buildMpd } from '../../../src/manifest/dash-mpd.ts'
import type { TextUris } from '../../../src/manifest/text-uris.ts'
import type { TextRendition } from '../../../src/presentation/text-rendition.ts'
import { TextedView } from '../../../src/presentation/texted-view.ts'
import type { SegmentRow } from '../../../src/presentation/view.ts'
import { audioTrack, SampleLog, START_TICKS, sampleHeader } from '../presentation/sample-log.ts'
import { presentationOf, sampleUris } from './sample-manifests.ts'

const PERIODS = 200
const text: TextRendition = {
  ...{ id: 'abcdefghijkl', name: 'English', role: 'subtitle', codec: 'wvtt', zeroTicks: START_TICKS, bandwidth: 256 },
}
const uris = {
  init: () => 'init',
  dashSegmentTemplate: () => '$Time$',
  whole: () => 'whole',
} as unknown as TextUris

class CountedView extends TextedView {
  rows = 0
  override segment(sequence: number): SegmentRow | undefined {
    this.rows++
    return super.segment(sequence)
  }
}

it('lists the segments of texts in each period, and reads no row once more for each of them', () => {
  const log = new SampleLog({ ...sampleHeader }).add(audioTrack(1, 'audio-1'))
  for (let period = 0; period < PERIODS; period++) log.discontinuity().segments(3)
  log.end()
  const view = presentationOf(sampleHeader, log.records)
  const read = (texts: readonly TextRendition[]) => {
    const counted = new CountedView(view, texts)
    return { mpd: buildMpd(counted, sampleUris, { texts: { form: 'fragments', uris } }), rows: counted.rows }
  }
  const [bare, texted] = [read([]), read([text, { ...text, id: 'mnopqrstuvwx' }])]
  expect(texted.rows - bare.rows).toBe(view.endSequence - view.firstSequence)
  const sets = texted.mpd.match(/<AdaptationSet[^>]*contentType="text"[\s\S]*?<\/AdaptationSet>/g) ?? []
  expect(sets).toHaveLength(2 * PERIODS)
  for (const [at, set] of sets.entries()) {
    const [, first = ''] = /presentationTimeOffset="(\d+)"/.exec(set) ?? []
    const row = view.segment(Math.floor(at / 2) * 3)
    expect([Number(first), set.match(/<S .*>/g)]).toEqual([
      row?.startTicks,
      [`<S t="${row?.startTicks}" d="${row?.durationTicks}" r="2"/>`],
    ])
  }
})
