import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ArchivePlace } from '../src/domain/archive-place.ts'
import type { FileSet } from '../src/domain/file-set.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/logger.ts'
import { openFilePresentation } from '../src/ondemand/file-presentation.ts'
import { OriginServer } from '../src/origin/origin-server.ts'
import { FileSource } from '../src/roles/file-source.ts'
import { FilesystemStorage } from '../src/storage/filesystem-storage.ts'
import { fileOfOneSecond } from './media-source.ts'
import type { OpeningOrder, OpeningReply } from './opening-orders.ts'
import { obey } from './origin-orders.ts'

/** The streaming endpoint as an origin thread runs it, in a process of its own: it opens one file, once. */

const CACHE_BYTES = 96 * 2 ** 20
const WARM_REQUESTS = 20
const place: ArchivePlace = { place: undefined as never, key: undefined, folder: 'asset' }

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function setOf(name: string, sizeBytes: number): FileSet {
  const file = { name, sizeBytes, contentType: 'video/mp4', digest: name, blob: name }
  return { assetId: name, manifestName: 'media', digest: name, place, files: [file] }
}

async function readManifest(port: number, locator: string): Promise<number> {
  const beganMs = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}/${locator}/index.mpd`)
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return performance.now() - beganMs
}

/** Turns of the event loop one by one: the longest says how long somebody else may have waited. In CPU time, which others on the machine add nothing to. */
function watchTurns(): () => number {
  let lastMs = cpuMs()
  let longestMs = 0
  let isOver = false
  const turn = () => {
    const nowMs = cpuMs()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    lastMs = nowMs
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    isOver = true
    return longestMs
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

async function open({ file }: OpeningOrder): Promise<OpeningReply> {
  const short = await fileOfOneSecond()
  const sources = await Promise.all(
    [short, file].map(async (path) => {
      const storage = new FilesystemStorage(dirname(path), [])
      const source = new FileSource(
        { storage: () => storage, open: openFilePresentation, clock: systemClock },
        CACHE_BYTES,
      )
      const { size } = await stat(path)
      return source.filesOf(setOf(basename(path), size))
    }),
  )
  const [shortFiles, longFiles] = sources
  const server = new OriginServer(
    { host: '127.0.0.1', port: 0 },
    {
      publications: {
        find: (locatorId) => {
          const files = locatorId === 'long' ? longFiles : shortFiles
          return files && { locatorId, manifestName: 'media', assetId: locatorId, files }
        },
      },
      fragments: { read: () => undefined },
      observer: { started: () => undefined, request: () => undefined },
      logger: silentLogger,
    },
  )
  const { port } = await server.start()
  // The code is warm, as it is in a thread that has opened files before; the file is not.
  for (let request = 0; request < WARM_REQUESTS; request++) await readManifest(port, 'short')
  collect()
  const beforeBytes = process.memoryUsage.rss()
  const turns = watchTurns()
  const coldMs = await readManifest(port, 'long')
  const longestTurnMs = turns()
  collect()
  const growthBytes = process.memoryUsage.rss() - beforeBytes
  const warm: number[] = []
  for (let request = 0; request < WARM_REQUESTS; request++) warm.push(await readManifest(port, 'long'))
  const warmMs = warm.toSorted((a, b) => a - b)[WARM_REQUESTS >> 1] ?? Number.NaN
  return { kind: 'opened', coldMs, warmMs, longestTurnMs, growthBytes }
}

obey<OpeningOrder, OpeningReply>(open, (message) => ({ kind: 'failed', message }))
