/**
 * Copies what a cipher has given to its place, and frees it there and then. Left to the garbage collector, chunk after chunk would
 * take fresh memory, which costs as much as the cipher does (see `DESIGN.md`). `given` must be nobody else's; it is empty after.
 */
export function moveInto(target: Uint8Array, given: Uint8Array, offset: number): void {
  target.set(given, offset)
  release(given)
}

/** Frees what a cipher has given, once it was used; `given` must be nobody else's, and is empty after. */
export function release(given: Uint8Array): void {
  const { buffer } = given
  // A view on a part of a shared pool is somebody else's too.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === given.byteLength) buffer.transfer(0)
}
