import { FormatError } from '../../lib/errors.ts'
import { TextBudget } from './text-budget.ts'
import { inOrder, TEXT_LIMITS, type TextCue, type TextDocument } from './text-document.ts'
import { parseTtml } from './ttml.ts'
import { writeTtml } from './ttml-writer.ts'
import type { TextPlacement, TextSample } from './wvtt.ts'

const encoder = new TextEncoder()

/**
 * The one sample of `stpp` from `fromTicks` to `toTicks` (ISO/IEC 14496-30 §5): a TTML document whose times are those of the track, and in which every cue
 * begins and ends within the sample.
 */
export function writeStppSample(
  cues: readonly TextCue[],
  document: Pick<TextDocument, 'frame'>,
  language: string | undefined,
  fromTicks: number,
  toTicks: number,
  { zeroTicks, ticksPerMs }: TextPlacement,
): TextSample {
  const times = { plusMs: zeroTicks / ticksPerMs, fromMs: fromTicks / ticksPerMs, toMs: toTicks / ticksPerMs }
  const data = encoder.encode(writeTtml(cues, document, language, times))
  return { startTicks: fromTicks, durationTicks: toTicks - fromTicks, data }
}

/**
 * Reads `stpp` samples: documents with times of the track, of which nothing is shown outside its sample. A cue that the next document goes on with is one cue.
 * A sample that is broken is counted in `skipped`.
 *
 * @throws FormatError for more than `TEXT_LIMITS`
 */
export function readStppSamples(samples: Iterable<TextSample>, { zeroTicks, ticksPerMs }: TextPlacement): TextDocument {
  const cues: TextCue[] = []
  let open = new Map<string, number>()
  let frame: TextDocument['frame']
  const budget = new TextBudget('stpp')
  let skipped = 0
  for (const { startTicks, durationTicks, data } of samples) {
    const document = readDocument(data, budget)
    if (!document) {
      skipped++
      continue
    }
    frame ??= document.frame
    skipped += document.skipped
    const now = new Map<string, number>()
    for (const cue of document.cues) {
      const startMs = Math.max(cue.startMs, Math.round(startTicks / ticksPerMs)) - Math.round(zeroTicks / ticksPerMs)
      const end = Math.round((startTicks + durationTicks) / ticksPerMs)
      const endMs = Math.min(cue.endMs, end) - Math.round(zeroTicks / ticksPerMs)
      if (endMs <= startMs) continue
      const key = cue.ttml ?? cue.text
      const before = open.get(key)
      const known = before === undefined ? undefined : cues[before]
      if (before !== undefined && known && startMs - known.endMs <= 1) {
        cues[before] = { ...known, endMs }
        now.set(key, before)
        continue
      }
      if (cues.length === TEXT_LIMITS.cues) throw new FormatError('stpp', 0, `more than ${TEXT_LIMITS.cues} cues`)
      now.set(key, cues.push({ ...cue, startMs, endMs }) - 1)
    }
    open = now
  }
  return { cues: inOrder(cues), blocks: [], ...(frame && { frame }), skipped }
}

function readDocument(data: Uint8Array, budget: TextBudget): TextDocument | undefined {
  try {
    return parseTtml(data, budget)
  } catch (error) {
    if (error instanceof FormatError && !budget.isSpent) return undefined
    throw error
  }
}
