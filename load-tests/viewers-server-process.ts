import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { silentLogger } from '../src/lib/logger.ts'
import { OriginServer } from '../src/origin/origin-server.ts'
import { LiveWindow } from './live-window.ts'
import { cpuMicros, obey } from './origin-orders.ts'
import type { ViewersServerOrder, ViewersServerReply } from './viewers-orders.ts'

/** The streaming endpoint as an origin thread runs it, in a process of its own, with a live window of five minutes under `/live`. */

const SEGMENTS = 150
const SEGMENT_SECONDS = 2
const MAX_CONNECTIONS = 20_000
/** As a node has it that is configured no further. */
const MAX_DELAY_MS = 500

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const live = new LiveWindow(SEGMENTS, SEGMENT_SECONDS)

async function serve(): Promise<ViewersServerReply> {
  const server = new OriginServer(
    { host: '127.0.0.1', port: 0, limits: { connections: MAX_CONNECTIONS, maxDelayMs: MAX_DELAY_MS } },
    {
      publications: { find: () => ({ locatorId: 'live', manifestName: 'media', view: live.view }) },
      fragments: { read: () => undefined },
      observer: { started: () => undefined, request: () => undefined },
      logger: silentLogger,
    },
  )
  return { kind: 'serving', port: (await server.start()).port }
}

function weigh(): ViewersServerReply {
  const usedMicros = cpuMicros()
  for (let round = 0; round < 3; round++) collect()
  const { rss: rssBytes, heapUsed: heapBytes } = process.memoryUsage()
  const connections = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  return { kind: 'weighed', rssBytes, heapBytes, usedMicros, cpuMicros: cpuMicros(), connections }
}

obey<ViewersServerOrder, ViewersServerReply>(
  async (order) => (order.kind === 'weigh' ? weigh() : serve()),
  (message) => ({ kind: 'failed', message }),
)
