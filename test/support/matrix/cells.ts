import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { MatrixHouse, SourceName } from './house.ts'
import { type MatrixOutput, type OutputName, outputs } from './outputs.ts'
import { type ReaderName, readers } from './readers.ts'
import { missing, outputNames, sourceNames, unreadable } from './table.ts'

/** Tools that run side by side. */
const AT_ONCE = 3

/** A cell of the table: nothing where all is well, else what is wrong, each line with the cell's name. */
export type CellReport = { readonly name: string; readonly faults: readonly string[] }

/** Has readers judge what every source gives in every output. */
export async function readCells(
  house: MatrixHouse,
  folder: string,
  names: readonly ReaderName[],
): Promise<readonly CellReport[]> {
  const reports: CellReport[] = []
  const cells = sourceNames.flatMap((source) => outputNames.map((output) => [source, output] as const))
  const work = cells[Symbol.iterator]()
  const judge = async () => {
    for (const [source, output] of work) reports.push(...(await readCell(house, folder, source, output, names)))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, judge))
  return reports
}

async function readCell(
  house: MatrixHouse,
  folder: string,
  sourceName: SourceName,
  outputName: OutputName,
  names: readonly ReaderName[],
): Promise<CellReport[]> {
  const source = house.sources[sourceName]
  const output: MatrixOutput = outputs[outputName]
  const name = `${sourceName} × ${outputName}`
  const url = output.url(source)
  if (missing(sourceName, outputName) !== undefined) {
    // What is said to be missing must not be there.
    const isThere = output.family === 'progressive' && (await fetch(url, { method: 'HEAD' })).ok
    return [{ name, faults: isThere ? [`${name}: it is there`] : [] }]
  }
  try {
    const scratch = join(folder, `${sourceNames.indexOf(sourceName)}-${outputNames.indexOf(outputName)}`)
    mkdirSync(scratch)
    const collected = await output.collect(url, scratch)
    const reports: CellReport[] = []
    for (const reader of names) {
      if (unreadable(reader, sourceName, outputName) !== undefined) continue
      const faults = await readers[reader]({ source, name: outputName, output, collected })
      const cell = `${name} × ${reader}`
      if (faults) reports.push({ name: cell, faults: faults.map((fault) => `${cell}: ${fault}`) })
    }
    return reports
  } catch (error) {
    return [{ name, faults: [`${name}: ${error instanceof Error ? error.message : error}`] }]
  }
}

/** The table as it came out, a line for each cell. */
export function tableOf(reports: readonly CellReport[]): string {
  const lines = reports.map(({ name, faults }) => `${faults.length === 0 ? 'ok  ' : 'FAIL'} ${name}`)
  return lines.toSorted((a, b) => a.slice(5).localeCompare(b.slice(5))).join('\n')
}
