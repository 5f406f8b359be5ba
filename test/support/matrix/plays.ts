import type { Browser } from 'playwright-core'
import type { CellReport } from './cells.ts'
import type { MatrixHouse, SourceName } from './house.ts'
import { type MatrixOutput, type OutputName, outputs } from './outputs.ts'
import { type PlayerName, play, playFaults } from './players.ts'
import { missing, outputNames, PLAYS, sourceNames, unplayable } from './table.ts'

type PlayCell = { readonly source: SourceName; readonly output: OutputName; readonly player: PlayerName }

/** shaka-player tells formats by their type, where an address has no extension. */
const MIME_TYPES = {
  hls: 'application/x-mpegurl',
  dash: 'application/dash+xml',
  smooth: 'application/vnd.ms-sstr+xml',
  progressive: '',
}

/** Plays that there are: of every source, in every output that a player takes. */
export function playCells(): readonly PlayCell[] {
  return sourceNames.flatMap((source) =>
    outputNames.flatMap((output) => {
      const players = missing(source, output) === undefined ? (PLAYS[output] ?? []) : []
      return unplayable(source) === undefined ? players.map((player) => ({ source, output, player })) : []
    }),
  )
}

/** Plays cells for `seconds` each, `atOnce` side by side. */
export async function playAll(
  house: MatrixHouse,
  browser: Browser,
  cells: readonly PlayCell[],
  { seconds, atOnce }: { readonly seconds: number; readonly atOnce: number },
): Promise<readonly CellReport[]> {
  const reports: CellReport[] = []
  const work = cells[Symbol.iterator]()
  const watch = async () => {
    for (const cell of work) reports.push(await playCell(house, browser, cell, seconds))
  }
  await Promise.all(Array.from({ length: atOnce }, watch))
  return reports
}

async function playCell(
  house: MatrixHouse,
  browser: Browser,
  { source, output, player }: PlayCell,
  seconds: number,
): Promise<CellReport> {
  const name = `${source} × ${output} × ${player}`
  const { truth, watch } = house.sources[source]
  const { url, family }: MatrixOutput = outputs[output]
  const hasPicture = truth.video.size > 0
  try {
    const options = { hasPicture, mimeType: MIME_TYPES[family] }
    const played = await play(browser, player, url({ ...house.sources[source], ...watch }), seconds, options)
    return { name, faults: playFaults(played, hasPicture).map((fault) => `${name}: ${fault}`) }
  } catch (error) {
    return { name, faults: [`${name}: ${error instanceof Error ? error.message : error}`] }
  }
}
