/** Where the parts of a recording lie in the asset's folder (`DESIGN.md`). */
export function initBlob(assetFolder: string, track: number): string {
  return `${assetFolder}/${track}/init.mp4`
}

/** The span of a track whose first segment starts at `startTicks`, in the track's timescale. */
export function spanBlob(assetFolder: string, track: number, startTicks: number): string {
  return `${assetFolder}/${track}/${startTicks}.cmfs`
}

/** The folder of the chunks of the log. */
export function chunkFolder(assetFolder: string): string {
  return `${assetFolder}/log`
}

/** A chunk's name has ten digits, so that names are sorted as numbers are. */
export function chunkName(firstSequence: number): string {
  return `${String(firstSequence).padStart(10, '0')}.chunk`
}

/** The chunk of the span that begins with this segment. */
export function chunkBlob(assetFolder: string, firstSequence: number): string {
  return `${chunkFolder(assetFolder)}/${chunkName(firstSequence)}`
}

/** The sequence number in the name of a chunk; `undefined` for what is none. */
export function chunkSequence(name: string): number | undefined {
  const digits = /(?:^|\/)(\d{10})\.chunk$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
