/** What an iterable gives, until the signal is aborted: that is thrown at once, whatever the iterable is waiting for. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  const { promise, reject } = Promise.withResolvers<never>()
  // Nobody may be waiting at the moment: that is no unhandled rejection.
  promise.catch(() => undefined)
  const onAbort = () => reject(signal?.reason)
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  let isEnded = false
  try {
    for (;;) {
      const result = await Promise.race([iterator.next(), promise])
      isEnded = result.done === true
      if (result.done) return
      yield result.value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // A source that waits for ever would hold us up too: it is told, and not awaited.
    if (!isEnded) void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}
