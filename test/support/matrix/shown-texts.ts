import type { Browser } from 'playwright-core'
import { type ShownBy, shownTexts } from '../text-page.ts'
import type { CellReport } from './cells.ts'
import type { MatrixHouse } from './house.ts'
import { type OutputName, outputs } from './outputs.ts'

/** A time at which every text says something, and says it for long enough to be seen. */
const AT_S = 6.6

const SHOWN: readonly { readonly by: ShownBy; readonly output: OutputName; readonly query?: string }[] = [
  { by: 'hls.js', output: 'HLS CMAF' },
  { by: 'hls.js', output: 'HLS TS v4' },
  { by: 'shaka', output: 'HLS CMAF' },
  { by: 'dash.js', output: 'DASH cmaf' },
  { by: 'dash.js', output: 'DASH csf' },
  { by: 'shaka', output: 'DASH cmaf' },
  { by: 'dash.js', output: 'DASH cmaf', query: '?text=file' },
  { by: 'shaka', output: 'DASH cmaf', query: '?text=file' },
]

/** Has players show the texts of every source that has any: what is on the page at a time is what the text says then. */
export async function showTexts(house: MatrixHouse, browser: Browser): Promise<readonly CellReport[]> {
  const reports: CellReport[] = []
  for (const [sourceName, source] of Object.entries(house.sources)) {
    for (const { language, cues } of source.texts ?? []) {
      const said = cues.find(([startMs, endMs]) => startMs <= AT_S * 1_000 && endMs > (AT_S + 2) * 1_000)?.[2]
      for (const { by, output, query = '' } of SHOWN) {
        const name = `${sourceName} × ${output}${query} × ${language} × ${by}`
        const shown = await shownTexts(browser, by, `${outputs[output].url(source)}${query}`, language, AT_S).catch(
          (error: unknown) => String(error),
        )
        const isRight = said !== undefined && shown === said.replace(/\s+/g, ' ')
        reports.push({ name, faults: isRight ? [] : [`${name}: "${shown}" for "${said}"`] })
      }
    }
  }
  return reports
}
