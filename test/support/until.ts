/** Milliseconds of real time: on a machine that has other things to do as well, too. */
const LIMIT_MS = 10_000

/**
 * Looks again and again until it holds, with `step` in between: a few milliseconds, or what moves a virtual clock on. Real time bounds it, whatever clock
 * the code has that is looked at.
 *
 * @throws Error that names the condition, where it has not held within `limitMs`
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  limitMs: number = LIMIT_MS,
  step: () => Promise<unknown> = shortly,
): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!(await holds())) {
    if (performance.now() >= endMs) throw new Error(`never held within ${limitMs} ms: ${holds}`)
    await step()
  }
}

/** Time for sockets, files and processes. */
function shortly(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
