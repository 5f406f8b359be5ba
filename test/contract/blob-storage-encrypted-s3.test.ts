import { randomBytes } from 'node:crypto'
import { vi } from 'vitest'
import { EncryptedStorage } from '../../src/storage/encrypted-storage.ts'
import { S3Storage } from '../../src/storage/s3-storage.ts'
import { startS3 } from '../support/s3-server.ts'
import { blobStorageContract } from './blob-storage-contract.ts'

// An HTTP request is a while in coming on a machine that is busy.
vi.setConfig({ testTimeout: 20_000 })

blobStorageContract(async () => {
  const server = await startS3()
  const opened: S3Storage[] = []
  return {
    runs: 8,
    async create() {
      const storage = new S3Storage(server.options())
      opened.push(storage)
      return new EncryptedStorage(storage, randomBytes(32))
    },
    async dispose() {
      await Promise.all(opened.map((storage) => storage.close()))
      await server.close()
    },
  }
})
