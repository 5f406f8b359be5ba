import type { LoadContext, LoadReport } from './load-report.ts'
export async function runTranscode(_: LoadContext): Promise<LoadReport> {
  throw new Error('x')
}
