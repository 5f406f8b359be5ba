/** Where in `stored` the first run of `length` bytes lies that occurs anywhere in `plain`; `undefined` where there is none. */
export function sharedRun(plain: Uint8Array, stored: Uint8Array, length = 16): number | undefined {
  const [known, sought] = [Buffer.from(plain), Buffer.from(stored)]
  const runs = new Set<string>()
  for (let at = 0; at + length <= known.byteLength; at += 1) runs.add(known.latin1Slice(at, at + length))
  for (let at = 0; at + length <= sought.byteLength; at += 1) {
    if (runs.has(sought.latin1Slice(at, at + length))) return at
  }
  return undefined
}
