import { stripVTControlCharacters } from 'node:util'

/** A column: its heading, and what a row has to say in it. */
export type Column<Row> = { readonly title: string; readonly of: (row: Row) => string }

/** What came from elsewhere must not steer the terminal. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is there to remove
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

/** A table in plain text: two spaces between columns, none at the end of a line. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ of }) => plain(of(row)) || '-')),
  ]
  const widths = columns.map((_column, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)))
  return cells
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Facts about one thing, one on a line. */
export function formatFacts(facts: readonly (readonly [name: string, value: string | undefined])[]): string {
  const told = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined)
  const width = Math.max(...told.map(([name]) => name.length))
  return told.map(([name, value]) => `${name.padEnd(width)}  ${plain(value)}`).join('\n')
}
