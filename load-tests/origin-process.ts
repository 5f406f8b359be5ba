import { mkdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { ColdReader } from '../src/archive/cold-reader.ts'
import type { ByteRange } from '../src/lib/http-conditions.ts'
import { silentLogger } from '../src/lib/logger.ts'
import { type FilePresentation, openFilePresentation } from '../src/ondemand/file-presentation.ts'
import { defaultOriginLimits, OriginServer } from '../src/origin/origin-server.ts'
import type { FragmentReader, Published } from '../src/origin/ports.ts'
import { FilesystemStorage } from '../src/storage/filesystem-storage.ts'
import { archived } from '../test/support/archived.ts'
import { encode, Recording } from '../test/support/recording.ts'
import { LiveWindow } from './live-window.ts'
import { cpuMicros, obey, type ServerOrder, type ServerReply } from './origin-orders.ts'

/**
 * The streaming endpoint as an origin thread runs it, in a process of its own: a recording in storage under `/span`, a live
 * window of an hour under `/hour`, a plain MP4 under `/mp4`.
 */

const SEGMENT_SECONDS = 6
const HOUR_SEGMENTS = 1_800
const FOLDER = 'asset'
const COLD_CACHE_BYTES = 64 * 2 ** 20

async function record(file: string, folder: string) {
  mkdirSync(folder, { recursive: true })
  const video = encode('-i', file, '-map', '0:v', '-c', 'copy')
  const audio = encode('-i', file, '-map', '0:a', '-c', 'copy')
  const recording = new Recording(
    [
      { rendition: 'video-1', media: video, atSeconds: 0 },
      { rendition: 'audio-1', media: audio, atSeconds: 0 },
    ],
    { segmentSeconds: SEGMENT_SECONDS, fragmentSamples: 60, header: { targetDurationMs: SEGMENT_SECONDS * 1_000 } },
  )
  const { presentation } = recording
  presentation.apply({ type: 'ended' })
  presentation.apply({ type: 'archived' })
  const storage = new FilesystemStorage(folder, [])
  await archived(recording, storage, FOLDER, { spanSegments: 10, spooledSegments: 0 })
  return { view: presentation, storage }
}

/** The same media as a plain MP4 of an asset. */
async function openFile(path: string): Promise<FilePresentation> {
  const handle = await open(path)
  const { size: sizeBytes } = await handle.stat()
  const read = async ({ first, last }: ByteRange) => {
    const bytes = Buffer.allocUnsafeSlow(last - first + 1)
    await handle.read(bytes, 0, bytes.byteLength, first)
    return bytes
  }
  return openFilePresentation('mp4', [{ name: 'film.mp4', sizeBytes, read }], new AbortController().signal)
}

async function serve({
  file,
  mp4,
  folder,
  cacheBytes,
}: ServerOrder & { readonly kind: 'serve' }): Promise<ServerReply> {
  const { view, storage } = await record(file, folder)
  const cold = new ColdReader(
    { storage: () => storage, spooled: async () => undefined },
    cacheBytes ?? COLD_CACHE_BYTES,
  )
  const place = { place: undefined as never, key: undefined, folder: FOLDER }
  const movie = await openFile(mp4)
  const hour = new LiveWindow(HOUR_SEGMENTS, 2)
  const published = new Map<string, Published>([
    ['span', { locatorId: 'span', manifestName: 'media', view }],
    ['mp4', { locatorId: 'mp4', manifestName: 'media', view: movie.view }],
    ['hour', { locatorId: 'hour', manifestName: 'media', view: hour.view }],
  ])
  const fragments: FragmentReader = {
    read: (id, rendition, sequence, signal) =>
      id === 'mp4' ? movie.read(rendition, sequence, signal) : cold.read({ view, place }, rendition, sequence, signal),
  }
  const server = new OriginServer(
    {
      host: '127.0.0.1',
      port: 0,
      limits: { packageCacheBytes: cacheBytes ?? defaultOriginLimits.packageCacheBytes },
    },
    {
      publications: { find: (locatorId) => published.get(locatorId) },
      fragments,
      observer: { started: () => undefined, request: () => undefined },
      logger: silentLogger,
    },
  )
  return { kind: 'serving', port: (await server.start()).port }
}

obey<ServerOrder, ServerReply>(
  async (order) => (order.kind === 'cpu' ? { kind: 'cpu', micros: cpuMicros() } : serve(order)),
  (message) => ({ kind: 'failed', message }),
)
