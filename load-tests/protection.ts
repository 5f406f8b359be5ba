import { floorReport, measureSides, medianOf } from './floor.ts'
import type { LoadContext, LoadReport } from './load-report.ts'
import { type Side, sizeOf } from './origin-bench.ts'
import { segmentPaths } from './origin-paths.ts'

/** Of a segment of 6 s at 30 pictures a second. */
const SAMPLES = 180
const CLEAR = 'clear, from a span'
const MAX_TTFB_MS = 5
/** What is encrypted, at how many times the bare server that reads, does the bare pass of `node:crypto` over the same samples and sends. */
const FORMS = [
  { name: 'cenc', locator: 'cenc', format: 'cmaf', pass: 'cenc', budget: 1.3 },
  { name: 'cbcs', locator: 'cbcs', format: 'cmaf', pass: 'cbcs', budget: 1.3 },
  { name: 'AES-128 fMP4', locator: 'envelope', format: 'cmaf', pass: 'cbc', budget: 1.3 },
  { name: 'AES-128 TS', locator: 'envelope', format: 'ts', pass: 'cbc', budget: 2 },
] as const

/** What encryption at the moment of the request costs, through the whole origin and without its caches. */
export async function runProtection(context: LoadContext): Promise<LoadReport> {
  const measured = await measureSides(context, 'bare-protection-process', (bench) =>
    protectionSides(bench.port('uncached')),
  )
  const late = (name: string) => medianOf(measured, name, 1, ({ ttfbP99 }) => ttfbP99)
  const delays = FORMS.map(({ name }) => ({
    what: `${name}, TTFB p99 of one request at a time past that in the clear`,
    measured: late(name) - late(CLEAR),
    ...{ limit: MAX_TTFB_MS, unit: 'ms' },
  }))
  const title = 'protection: segments of 6 s at 3 Mbit/s, encrypted for each request'
  return floorReport(title, measured, context.options.isQuick, delays)
}

async function protectionSides(port: number): Promise<Side[]> {
  const clear = await segmentPaths(port, 'span', 'cmaf')
  const sizes = await Promise.all(clear.map((path) => sizeOf(port, path)))
  const bare = (pass: string) => sizes.map((size) => `/${pass}/${size}/${SAMPLES}`)
  const floors = new Set(['clear', ...FORMS.map(({ pass }) => pass)])
  const sides: Side[] = [...floors].map((pass) => ({
    ...{ name: `bare, ${pass}`, server: 'bare', paths: bare(pass), unit: 'MB' },
  }))
  sides.push({ name: CLEAR, server: 'uncached', paths: clear, unit: 'MB', floor: 'bare, clear' })
  for (const { name, locator, format, pass, budget } of FORMS) {
    const paths = await segmentPaths(port, locator, format)
    sides.push({ name, server: 'uncached', paths, unit: 'MB', floor: `bare, ${pass}`, budget })
  }
  return sides
}
