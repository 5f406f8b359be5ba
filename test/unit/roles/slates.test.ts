import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assetFileCreateSchema, newAssetFile } from '../../../src/domain/asset-file.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import { type Channel, channelCreateSchema, newChannel } from '../../../src/domain/channel.ts'
import { newId } from '../../../src/domain/kinds.ts'
import { fileBlob } from '../../../src/domain/storage-task.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { slateImages } from '../../../src/roles/slates.ts'
import { FilesystemStorage } from '../../../src/storage/filesystem-storage.ts'
import { LiveNode } from '../../support/live-node.ts'

let node: LiveNode
let folder: string
let storage: FilesystemStorage

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headend-slates-'))
  storage = new FilesystemStorage(folder, [])
  node = await LiveNode.start({ clock: new VirtualClock() })
})

afterEach(async () => {
  await node.stop()
  rmSync(folder, { recursive: true })
})

const images = () => slateImages({ repository: node.repository, storages: { of: async () => storage } })

async function picture(name: string, bytes: Uint8Array, state: 'Ready' | 'Pending' = 'Ready') {
  const assetId = await node.asset(`of-${name}`)
  const draft = newAssetFile(assetFileCreateSchema.parse({ name }), assetId, node.accountId, randomBytes)
  const changes = new ChangeSet()
  const handle = changes.create('asset-file', { ...draft, state })
  const file = (await node.repository.commit(changes)).get(handle)
  await storage.put(fileBlob(file), [bytes])
  return { assetId, file: name }
}

function withImage(image: { assetId: string; file: string } | undefined, accountId = node.accountId): Channel {
  const slate = image ? { image } : {}
  return newChannel(channelCreateSchema.parse({ name: 'main', slate }), accountId, randomBytes) as Channel
}

describe('slateImages', () => {
  it('reads the picture that the channel names, and none where it names none', async () => {
    const bytes = Uint8Array.of(1, 2, 3)
    expect(await images()(withImage(await picture('off-air.png', bytes)))).toEqual(Buffer.from(bytes))
    expect(await images()(withImage(undefined))).toBeUndefined()
  })

  it('finds no file that is not there, not uploaded, or another account’s', async () => {
    const image = await picture('off-air.png', Uint8Array.of(1))
    const missing = { code: 'ENTITY_NOT_FOUND' }
    await expect(images()(withImage({ ...image, file: 'other.png' }))).rejects.toMatchObject(missing)
    await expect(images()(withImage(image, newId('account', randomBytes)))).rejects.toMatchObject(missing)
    const pending = await picture('pending.png', Uint8Array.of(1), 'Pending')
    await expect(images()(withImage(pending))).rejects.toMatchObject(missing)
  })

  it('reads no more than a picture takes', async () => {
    const image = await picture('huge.png', new Uint8Array(16 * 2 ** 20 + 1))
    await expect(images()(withImage(image))).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED' })
  })
})
