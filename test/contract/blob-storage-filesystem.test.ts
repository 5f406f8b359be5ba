import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FilesystemStorage } from '../../src/storage/filesystem-storage.ts'
import { blobStorageContract } from './blob-storage-contract.ts'

blobStorageContract(async () => {
  const root = await mkdtemp(join(tmpdir(), 'blobs-'))
  let count = 0
  return {
    create: async () => {
      count += 1
      return new FilesystemStorage(root, [`storage-${count}`])
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  }
})
