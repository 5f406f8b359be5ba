import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Child } from '../../load-tests/child.ts'
import { longFile, plainFile } from '../../load-tests/media-source.ts'
import type { ServerOrder, ServerReply } from '../../load-tests/origin-orders.ts'
import { segmentPaths } from '../../load-tests/origin-paths.ts'
import { temporaryFolder } from '../support/headend.ts'

const SCRIPT = new URL('../../load-tests/origin-process.ts', import.meta.url)
const CLIENTS = 24
const ANSWERS = 6_000

/** Reads an answer, and cuts it where `cutAt` bytes have come: all that came is to be the same bytes. */
async function read(port: number, path: string, whole: Buffer, agent: Agent, cutAt: number): Promise<void> {
  const request = get({ port, path, agent })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  request.on('error', () => undefined)
  let seen = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (!chunk.equals(whole.subarray(seen, seen + chunk.byteLength))) throw new Error(`${path} is other than before`)
    seen += chunk.byteLength
    if (seen >= cutAt) return
  }
  expect([path, response.statusCode, seen]).toEqual([path, 200, whole.byteLength])
}

it.each([
  ['nothing is kept', 0],
  ['two segments are kept', 6_000_000],
])('memory that is used again is never that of an answer under way: %s', async (_name, cacheBytes) => {
  const folder = temporaryFolder()
  const server = new Child<ServerOrder, ServerReply>(SCRIPT)
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  try {
    const file = await longFile(48)
    const order = { file, mp4: await plainFile(file), folder: join(folder, 'media'), cacheBytes }
    const { port } = await server.ask({ kind: 'serve', ...order }, 'serving')
    const wholes: [string, Buffer][] = []
    for (const locator of ['span', 'mp4']) {
      for (const format of ['cmaf', 'ts', 'smooth'] as const) {
        for (const path of await segmentPaths(port, locator, format)) {
          const response = await fetch(`http://127.0.0.1:${port}${path}`)
          wholes.push([path, Buffer.from(await response.arrayBuffer())])
        }
      }
    }
    let left = ANSWERS
    const client = async () => {
      while (left-- > 0) {
        const [path, whole] = wholes[Math.floor(Math.random() * wholes.length)]!
        const cutAt = Math.random() < 0.3 ? Math.random() * whole.byteLength : Number.POSITIVE_INFINITY
        await read(port, path, whole, agent, cutAt)
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
  } finally {
    agent.destroy()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
