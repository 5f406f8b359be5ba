import { Presentation } from '../../../src/presentation/presentation.ts'
import type { LogRecord } from '../../../src/presentation/records.ts'
import { audioTrack, SampleLog, sampleHeader, videoTrack } from './sample-log.ts'

/** The presentation that a log describes. */
export function read(records: Iterable<LogRecord>): Presentation {
  const presentation = new Presentation(sampleHeader)
  for (const record of records) presentation.apply(record)
  return presentation
}

/** Everything that the view can say, and what a replica needs besides. */
export function stateOf(presentation: Presentation) {
  const { version, ended, renditions, firstSequence, endSequence, openSegment, markers } = presentation
  const rows = []
  for (let sequence = firstSequence - 1; sequence <= endSequence; sequence++) {
    const row = presentation.segment(sequence)
    const media = renditions.map(({ index }) => presentation.renditionSegment(index, sequence))
    const parts = renditions.map(({ index }) => presentation.parts(index, sequence))
    const stretch = row && presentation.discontinuityStartTicks(row.discontinuitySequence)
    rows.push({ row, media, parts, stretch })
  }
  const open = openSegment && {
    sequence: openSegment.sequence,
    startTicks: openSegment.startTicks,
    discontinuitySequence: openSegment.discontinuitySequence,
    fragments: [...openSegment.fragments],
  }
  return { version, ended, renditions, firstSequence, endSequence, rows, open, markers }
}

/** A log with one video and one audio rendition. */
export function simple(): SampleLog {
  return new SampleLog().add(videoTrack(1, 'video-1')).add(audioTrack(2, 'audio-1'))
}
