import { expect } from 'vitest'
import { loadPresentation } from '../../../src/archive/load-presentation.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { Presentation } from '../../../src/presentation/presentation.ts'
import { FOLDER, type RecordingBench } from './recording-bench.ts'

/** Everything that the rows say. */
export function rowsOf(view: RecordingBench['view']) {
  const rows = []
  for (let sequence = view.firstSequence; sequence < view.endSequence; sequence++) {
    const row = view.segment(sequence)
    const media = view.renditions.map(({ index }) => view.renditionSegment(index, sequence))
    rows.push({ row, media, stretch: row && view.discontinuityStartTicks(row.discontinuitySequence) })
  }
  return rows
}

/** Every listed segment is to be had, with the bytes that were made. */
export async function expectWhole(bench: RecordingBench, parts = 1): Promise<number> {
  let gaps = 0
  for (let sequence = bench.view.firstSequence; sequence < bench.view.endSequence; sequence++) {
    const row = bench.view.segment(sequence)!
    if (row.gap) gaps++
    for (const { index } of bench.view.renditions) {
      const cell = bench.view.renditionSegment(index, sequence)
      if (!cell) continue
      const bytes = await bench.read(index, sequence)
      expect(Buffer.from(bytes!).equals(bench.expected(cell.track, row.startTicks, parts))).toBe(true)
    }
  }
  return gaps
}

/** What storage has. */
export async function loaded(bench: RecordingBench): Promise<Presentation> {
  const found = await loadPresentation(bench.storage, FOLDER, silentLogger)
  const presentation = new Presentation(found!.header)
  for (const record of found!.records) if (record.type !== 'opened') presentation.apply(record)
  return presentation
}
