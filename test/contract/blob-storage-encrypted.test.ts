import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { EncryptedStorage } from '../../src/storage/encrypted-storage.ts'
import { FilesystemStorage } from '../../src/storage/filesystem-storage.ts'
import { blobStorageContract } from './blob-storage-contract.ts'

// Each blob is synced to the disk, which others may keep busy.
vi.setConfig({ testTimeout: 20_000 })

blobStorageContract(async () => {
  const root = await mkdtemp(join(tmpdir(), 'sealed-blobs-'))
  let count = 0
  return {
    runs: 20,
    create: async () => {
      count += 1
      return new EncryptedStorage(new FilesystemStorage(root, [`storage-${count}`]), randomBytes(32))
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  }
})
