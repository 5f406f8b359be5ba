/** Columns padded to their widest cell; numbers (all columns but the first) to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const format = (line: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = line[column] ?? ''
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [format(header), rule, ...rows.map(format)].join('\n')
}

/** A limit and what was measured against it. */
export type Verdict = {
  readonly what: string
  readonly measured: number
  readonly limit: number
  readonly unit: string
}

/** At most the limit. */
export function isKept({ measured, limit }: Verdict): boolean {
  return measured <= limit
}

/** One line: `ok` or `PAST BUDGET`, and both figures. */
export function formatVerdict(verdict: Verdict): string {
  const { what, measured, limit, unit } = verdict
  return `${isKept(verdict) ? 'ok' : 'PAST BUDGET'}: ${what}: ${figure(measured)} of at most ${figure(limit)} ${unit}`.trimEnd()
}

/** A few significant digits. */
export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3)
}
