import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import type { CrowdOrder, CrowdReport } from '../support/reload-crowd.ts'
import { PARTS_PER_SEGMENT, PartedLive, untilBlocked } from './parted-live.ts'
import { serveLive } from './served-live.ts'

/** One part for which everybody waited. */
export type Release = {
  readonly statuses: readonly string[]
  /** From the part to the last byte of the last answer, and what of that the server's thread computed. */
  readonly wallMs: number
  readonly cpuMs: number
  /** Memory in use afterwards, without what only waits to be collected. */
  readonly usedBytes: number
  /** Requests that wait on, where nobody should. */
  readonly leftWaiting: number
}

/** Lets so many players wait for one part after another of a presentation; they are in a thread of their own. */
export async function releaseCrowd(players: number, rounds: number): Promise<readonly Release[]> {
  const live = new PartedLive().segments(10).open()
  const { server, video } = await serveLive(live)
  const { port, pathname } = new URL(video)
  const workerData = { port: Number(port), count: players }
  const crowd = new Worker(new URL('../support/reload-crowd.ts', import.meta.url), { workerData })
  const heard = async () => (await once(crowd, 'message'))[0] as CrowdReport
  await heard()
  const releases: Release[] = []
  for (let round = 0; round < rounds; round++) {
    const [msn, part] = [live.presentation.endSequence, round % PARTS_PER_SEGMENT]
    crowd.postMessage({ path: `${pathname}?_HLS_msn=${msn}&_HLS_part=${part}` } satisfies CrowdOrder)
    await untilBlocked(server, players)
    const answered = heard()
    const [startNs, startCpu] = [process.hrtime.bigint(), process.threadCpuUsage()]
    live.part(0)
    const report = await answered
    const { user, system } = process.threadCpuUsage(startCpu)
    if (report.kind !== 'answered') throw new Error('the players said something else')
    const wallMs = Number(report.lastNs - startNs) / 1e6
    const leftWaiting = server.blockedRequests
    releases.push({ ...report, wallMs, cpuMs: (user + system) / 1e3, usedBytes: usedBytes(), leftWaiting })
    if (part === PARTS_PER_SEGMENT - 1) live.part(1, PARTS_PER_SEGMENT).close().open()
  }
  await crowd.terminate()
  return releases
}

function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
