import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountCreateSchema, newAccount } from '../../../src/domain/account.ts'
import { accountDefaults } from '../../../src/domain/account-defaults.ts'
import { ChangeSet } from '../../../src/domain/change-set.ts'
import type { Store } from '../../../src/domain/entity-store.ts'
import { SYSTEM_ACCOUNT } from '../../../src/domain/kinds.ts'
import { Repository } from '../../../src/domain/repository.ts'
import type { StorageAccount } from '../../../src/domain/storage-account.ts'
import { newStorageTask, type StorageTask } from '../../../src/domain/storage-task.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { MediaStorage } from '../../../src/storage/media-storage.ts'
import { type JanitorStorage, StorageJanitor } from '../../../src/storage/storage-janitor.ts'
import { openStore } from '../../../src/store/open-store.ts'

const clock = new VirtualClock()
let dir: string
let store: Store
let repository: Repository
let place: StorageAccount
let media: MediaStorage
let janitors: StorageJanitor[]

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'janitor-'))
  store = await openStore({ url: `sqlite:${join(dir, 'store.db')}` }, { clock, logger: silentLogger })
  repository = new Repository(store)
  media = new MediaStorage(join(dir, 'media'))
  janitors = []
  const account = newAccount(accountCreateSchema.parse({ name: 'studio' }), randomBytes)
  const changes = new ChangeSet()
  changes.create('account', account)
  const handle = changes.create('storage-account', accountDefaults(account, randomBytes).storageAccount)
  place = (await repository.commit(changes)).get(handle)
})
afterEach(async () => {
  await Promise.all(janitors.map((janitor) => janitor.stop()))
  await store.stop()
  rmSync(dir, { recursive: true, force: true })
})

function janitor(storage: JanitorStorage = media): StorageJanitor {
  const made = new StorageJanitor({ repository, storage, clock, logger: silentLogger })
  janitors.push(made)
  return made
}

async function* text(value: string) {
  yield Buffer.from(value)
}

async function task(work: StorageTask['work']): Promise<StorageTask> {
  const changes = new ChangeSet()
  const handle = changes.create('storage-task', newStorageTask(place, work, randomBytes))
  return (await repository.commit(changes)).get(handle)
}

const tasks = () => repository.count('storage-task', SYSTEM_ACCOUNT)
const blobs = async () => (await Array.fromAsync(media.of(place).list(''))).map(({ name }) => name)

describe('the storage janitor', () => {
  it('begins with what was left to do, and does no more than that', async () => {
    for (const name of ['as_1/files/a', 'as_1/video/1.cmfs', 'as_2/files/b', 'as_2/files/c']) {
      await media.of(place).put(name, text('x'))
    }
    await task({ kind: 'remove-folder', folder: 'as_1' })
    await task({ kind: 'remove-blob', blob: 'as_2/files/b' })
    await task({ kind: 'remove-blob', blob: 'never/was' })
    const busy = janitor()
    busy.start()
    await busy.idle()
    expect(await blobs()).toEqual(['as_2/files/c'])
    expect(await tasks()).toBe(0)
  })

  it('tries again what failed, and goes on with the rest meanwhile', async () => {
    await media.of(place).put('as_1/a', text('x'))
    await media.of(place).put('as_2/b', text('x'))
    let isDown = true
    const flaky: JanitorStorage = {
      sweep: async () => 0,
      of: (where) => {
        const real = media.of(where)
        const remove = async (name: string) => {
          if (isDown && name === 'as_1/a') throw new AppError('STORAGE_DOWN', 'It is away.')
          await real.delete(name)
        }
        return {
          put: (...given) => real.put(...given),
          read: (...given) => real.read(...given),
          readRange: (...given) => real.readRange(...given),
          list: (...given) => real.list(...given),
          delete: remove,
          copy: (...given) => real.copy(...given),
        }
      },
    }
    await task({ kind: 'remove-folder', folder: 'as_1' })
    await task({ kind: 'remove-folder', folder: 'as_2' })
    const busy = janitor(flaky)
    busy.start()
    await busy.idle()
    expect([await blobs(), await tasks()]).toEqual([['as_1/a'], 1])
    isDown = false
    await clock.advance(30_000)
    await busy.idle()
    expect([await blobs(), await tasks()]).toEqual([[], 0])
  })

  it('leaves the uploads alone that this process carries out, until they are over', async () => {
    const upload = await task({ kind: 'upload', fileId: 'af_0000000000000000000000' as never, blob: 'as_1/files/af_0' })
    await media.of(place).put('as_1/files/af_0', text('x'))
    const busy = janitor()
    busy.holdUpload(upload.id)
    busy.nudge()
    await busy.idle()
    expect([await blobs(), await tasks()]).toEqual([['as_1/files/af_0'], 1])
    busy.releaseUpload(upload.id)
    busy.nudge()
    await busy.idle()
    expect([await blobs(), await tasks()]).toEqual([[], 0])
  })

  it('sweeps away what is half written and untouched for an hour, once an hour', async () => {
    const incoming = join(
      dir,
      'media',
      place.accountId,
      'directory' in place.location ? (place.location.directory ?? '') : '',
      '.incoming',
    )
    mkdirSync(incoming, { recursive: true })
    const leave = (name: string, ageMs: number) => {
      writeFileSync(join(incoming, name), 'half')
      utimesSync(join(incoming, name), (clock.now() - ageMs) / 1_000, (clock.now() - ageMs) / 1_000)
    }
    leave('old', 3_600_001)
    leave('fresh', 60_000)
    const busy = janitor()
    busy.start()
    await busy.idle()
    expect(readdirSync(incoming)).toEqual(['fresh'])
    await clock.advance(3_600_000)
    await busy.idle()
    expect(readdirSync(incoming)).toEqual([])
  })

  it('stops, and does nothing more', async () => {
    const busy = janitor()
    busy.start()
    await busy.stop()
    await task({ kind: 'remove-blob', blob: 'a' })
    busy.nudge()
    await clock.advance(60_000)
    await busy.idle()
    expect(await tasks()).toBe(1)
  })
})
