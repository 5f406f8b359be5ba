import { FilesystemStorage } from '../../src/storage/filesystem-storage.ts'

const [root = '', hangAt = ''] = process.argv.slice(2)
const CHUNKS = 64
const CHUNK_BYTES = 65_536

async function* bytes(round: number): AsyncGenerator<Uint8Array> {
  for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
    if (String(round) === hangAt && chunk === CHUNKS / 2) {
      process.stdout.write('half\n')
      await new Promise(() => undefined)
    }
    yield new Uint8Array(CHUNK_BYTES).fill(round % 251)
  }
}

// Writes the same few names over and over, each time with another byte, until it is killed; says when one is durable, and when
// it has come half way in the round in which it waits for its end.
const keepAlive = setInterval(() => undefined, 60_000)
keepAlive.ref()
const storage = new FilesystemStorage(root, ['killed'])
for (let round = 0; ; round += 1) {
  const name = `folder-${round % 3}/blob`
  await storage.put(name, bytes(round))
  process.stdout.write(`${name} ${round % 251}\n`)
}
