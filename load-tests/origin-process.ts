import { createReadStream, mkdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { ColdReader } from '../src/archive/cold-reader.ts'
import type { ArchivePlace } from '../src/domain/archive-place.ts'
import type { FileSet } from '../src/domain/file-set.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/logger.ts'
import { openFilePresentation } from '../src/ondemand/file-presentation.ts'
import { defaultOriginLimits, OriginServer } from '../src/origin/origin-server.ts'
import type { FragmentReader, Published } from '../src/origin/ports.ts'
import { FileSource } from '../src/roles/file-source.ts'
import { FilesystemStorage } from '../src/storage/filesystem-storage.ts'
import { archived } from '../test/support/archived.ts'
import { encode, Recording } from '../test/support/recording.ts'
import { LiveWindow } from './live-window.ts'
import { cpuMicros, obey, type ServerOrder, type ServerReply } from './origin-orders.ts'
import { loadKeys, protectedTerms } from './protected-terms.ts'

/**
 * The streaming endpoint as an origin thread runs it, in a process of its own: a recording in storage under `/span`, a live
 * window of an hour under `/hour`, a plain MP4 under `/mp4`; the recording protected under `/cenc`, `/cbcs` and `/envelope`.
 */

const SEGMENT_SECONDS = 6
const HOUR_SEGMENTS = 1_800
const FOLDER = 'asset'
const place: ArchivePlace = { place: undefined as never, key: undefined, folder: FOLDER }
const FILE_CACHE_BYTES = 96 * 2 ** 20
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

/** The same media as a plain MP4 of an asset, as an origin thread reads it. */
async function upload(path: string, storage: FilesystemStorage, cacheBytes: number) {
  const { size: sizeBytes } = await stat(path)
  await storage.put('film', createReadStream(path))
  const file = { name: 'film.mp4', sizeBytes, contentType: 'video/mp4', digest: 'film', blob: 'film' }
  const set: FileSet = { assetId: 'mp4', manifestName: 'media', digest: 'film', place, files: [file] }
  const source = new FileSource({ storage: () => storage, open: openFilePresentation, clock: systemClock }, cacheBytes)
  return { source, view: await source.filesOf(set).open(new AbortController().signal) }
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
  const movie = await upload(mp4, storage, cacheBytes ?? FILE_CACHE_BYTES)
  const hour = new LiveWindow(HOUR_SEGMENTS, 2)
  const published = new Map<string, Published>([
    ['span', { locatorId: 'span', manifestName: 'media', view }],
    ...(['cenc', 'cbcs', 'envelope'] as const).map((locatorId): [string, Published] => [
      locatorId,
      { locatorId, manifestName: 'media', view, delivery: protectedTerms(locatorId) },
    ]),
    ['mp4', { locatorId: 'mp4', manifestName: 'media', view: movie.view }],
    ['hour', { locatorId: 'hour', manifestName: 'media', view: hour.view }],
  ])
  const fragments: FragmentReader = {
    read: (id, rendition, sequence, signal) =>
      id === movie.view.header.id
        ? movie.source.read(id, rendition, sequence, signal)
        : cold.read({ view, place }, rendition, sequence, signal),
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
      contentKeys: loadKeys,
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
