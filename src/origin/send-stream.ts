import type { ServerResponse } from 'node:http'

/**
 * Sends the chunks as the client takes them and ends the response; no chunk is asked for while one waits to be taken. `began` is
 * told of each chunk before it is written. Returns early, having let go of the chunks, when `signal` is aborted; rejects with
 * what the chunks throw.
 */
export async function sendStream(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  began: (sizeBytes: number) => void,
): Promise<void> {
  for await (const chunk of chunks) {
    if (signal.aborted) return
    began(chunk.byteLength)
    if (!response.write(chunk)) await taken(response, signal)
  }
  if (!signal.aborted) response.end()
}

/** Resolves when the response takes more, or never will. */
function taken(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    if (signal.aborted) return resolve()
    response.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
  })
}
