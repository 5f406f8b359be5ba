const RUN_BYTES = 16

/**
 * Where in `stored` the first 16 bytes in a row lie that occur in `plain`; `undefined` where there are none. A larger stride, for
 * what is large, sees only what of `plain` begins at its multiples: of longer runs, each that has `15 + stride` bytes.
 */
export function sharedRun(plain: Uint8Array, stored: Uint8Array, stride = 1): number | undefined {
  const [known, sought] = [Buffer.from(plain), Buffer.from(stored)]
  const runs = new Set<string>()
  for (let at = 0; at + RUN_BYTES <= known.byteLength; at += stride) {
    runs.add(known.toString('latin1', at, at + RUN_BYTES))
  }
  for (let at = 0; at + RUN_BYTES <= sought.byteLength; at += 1) {
    if (runs.has(sought.toString('latin1', at, at + RUN_BYTES))) return at
  }
  return undefined
}
