import { parentPort, workerData } from 'node:worker_threads'
import { MediaStorage } from '../../../src/storage/media-storage.ts'

// Opens a storage from plain data, copies what is there, and says what it has read.
const { mediaDir, place } = workerData
const media = new MediaStorage(mediaDir, { allowPrivateEndpoints: true })
const storage = media.of(place)
await storage.copy('from', 'to')
const bytes = await storage.read('to', { first: 0, last: 3 })
await media.stop()
parentPort?.postMessage(Buffer.from(bytes ?? []).toString())
