import type { Scope } from '../src/lib/scope.ts'
import type { Machine } from './machine.ts'
import type { LoadOptions } from './options.ts'
import { formatTable, formatVerdict, isKept, type Verdict } from './table.ts'

/** What a load test is given. */
export type LoadContext = {
  readonly options: LoadOptions
  /** Tells whoever waits how far it is. */
  readonly progress: (line: string) => void
  /** Makes a scope for processes, which is stopped at the latest when the whole is interrupted. */
  readonly scope: () => Scope
}

/** What a load test found. */
export type LoadReport = {
  readonly title: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly notes: readonly string[]
  /** None: nothing was judged. */
  readonly verdicts: readonly Verdict[]
  /** Every single measurement. */
  readonly samples: readonly object[]
}

/** As people read it. */
export function formatReport(report: LoadReport, machine: Machine): string {
  const { cores, processor, node, ffmpeg } = machine
  const judged = report.verdicts.map(formatVerdict)
  return [
    report.title,
    `${cores} cores (${processor}), node ${node}, ffmpeg ${ffmpeg}`,
    '',
    formatTable(report.header, report.rows),
    '',
    ...report.notes,
    ...(judged.length > 0 ? judged : ['no budget judged']),
  ].join('\n')
}

/** As programs read it. */
export function reportJson(report: LoadReport, machine: Machine): string {
  const verdicts = report.verdicts.map((verdict) => ({ ...verdict, isKept: isKept(verdict) }))
  return JSON.stringify({ ...report, verdicts, machine }, undefined, 2)
}

export function isWithinBudget({ verdicts }: LoadReport): boolean {
  return verdicts.every(isKept)
}
