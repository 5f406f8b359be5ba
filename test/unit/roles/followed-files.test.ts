import { expect, it } from 'vitest'
import type { Asset } from '../../../src/domain/asset.ts'
import type { AssetFile } from '../../../src/domain/asset-file.ts'
import type { Change } from '../../../src/domain/entity-store.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { FollowedFiles, type FollowedFilesPorts } from '../../../src/roles/followed-files.ts'

type Names = { readonly names: readonly string[] }

const asset = (id: string, storageAccountId = 'sa_one') => ({ id, accountId: 'ac', storageAccountId }) as Asset

/** Followed files, of which the names count; the test plays the store. */
class Stage {
  readonly clock = new VirtualClock()
  readonly files = new Map<string, AssetFile>()
  readonly assets = new Map<string, Asset>()
  readonly secrets = new Map<string, string>()
  /** What was heard: the asset, its names and where they lie. */
  readonly heard: string[] = []
  readonly warnings: unknown[] = []
  readonly unwanted = new Set<string>()
  readonly followed: FollowedFiles<Names>
  /** Looks at the files of an asset. */
  looks = 0
  isDown = false
  /** What was read is handed over when this has resolved. */
  gate: Promise<void> | undefined
  /** The place is told when this has resolved. */
  placeGate: Promise<void> | undefined
  #changed: (changes: readonly Change[]) => void = () => undefined
  #missed: () => void = () => undefined

  constructor() {
    const ports = {
      repository: {
        referring: async (_kind: string, _account: string, { id }: { readonly id: string }) => {
          this.looks++
          if (this.isDown) throw new AppError('STORE_DOWN', 'down')
          const found = [...this.files.values()].filter(({ assetId }) => assetId === id)
          await this.gate
          return found
        },
        findAnywhere: async (kind: string, id: string) => (kind === 'asset' ? this.assets : this.files).get(id),
      },
      storages: {
        placeOf: async ({ storageAccountId }: Asset) => {
          const place = { id: storageAccountId, secret: this.secrets.get(storageAccountId) }
          await this.placeGate
          return { place, key: undefined }
        },
      },
      changes: {
        onChange: (listener: (changes: readonly Change[]) => void) => {
          this.#changed = listener
          return () => this.heard.push('deaf')
        },
        onReset: (listener: () => void) => {
          this.#missed = listener
          return () => undefined
        },
      },
      clock: this.clock,
      logger: { ...silentLogger, warn: (about: unknown) => this.warnings.push(about) },
    } as unknown as FollowedFilesPorts
    this.followed = new FollowedFiles<Names>(ports, {
      setOf: (all) => (all.length > 0 ? { names: all.map(({ name }) => name).toSorted() } : undefined),
      became: (id, set) => {
        const place = set?.place as unknown as { place: { id: string; secret?: string } } | undefined
        const where = place && [place.place.id, place.place.secret].filter(Boolean).join(':')
        this.heard.push(set ? `${id} ${set.names.join(',')} ${where}` : `${id} none`)
      },
      isWanted: (id) => !this.unwanted.has(id),
      complaint: 'no',
    })
    this.followed.begin()
    this.assets.set('as', asset('as'))
  }

  put(name: string, assetId = 'as'): void {
    this.files.set(`${assetId}/${name}`, { id: `${assetId}/${name}`, name, assetId } as AssetFile)
  }

  tell(op: Change['op'], id: string, kind: Change['kind'] = 'asset-file'): void {
    if (op === 'delete') this.files.delete(id)
    this.#changed([{ sequence: 1, op, kind, id, accountId: 'ac' }])
  }

  miss(): void {
    this.#missed()
  }

  /** The read that begins next waits for what this gives. */
  hold(): () => void {
    const gate = Promise.withResolvers<void>()
    this.gate = gate.promise
    return () => {
      this.gate = undefined
      gate.resolve()
    }
  }

  /** As `hold`, of the place. */
  holdPlace(): () => void {
    const gate = Promise.withResolvers<void>()
    this.placeGate = gate.promise
    return () => {
      this.placeGate = undefined
      gate.resolve()
    }
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn++) await Promise.resolve()
  }
}

it('tells of what follows from the files, once for each change, and finds the asset of a file that is gone', async () => {
  const stage = new Stage()
  const { followed } = stage
  stage.put('a')
  followed.hold('as', asset('as').accountId)
  await followed.tried('as')
  stage.put('b')
  stage.tell('create', 'as/b')
  await stage.settle()
  stage.tell('update', 'as/b')
  await stage.settle()
  expect(followed.fileCount('as')).toBe(2)
  const { looks } = stage
  stage.tell('delete', 'other/x')
  await stage.settle()
  expect(stage.looks).toBe(looks)
  stage.tell('delete', 'as/a')
  await stage.settle()
  stage.tell('delete', 'as/b')
  await stage.settle()
  expect(stage.heard).toEqual(['as a sa_one', 'as a,b sa_one', 'as b sa_one', 'as none'])
  expect(followed.has('as')).toBe(true)
  await followed.stop()
})

it('looks again at what changes while it is read, also at a file that goes before it is known whose it was', async () => {
  const stage = new Stage()
  stage.put('a')
  stage.put('b')
  let go = stage.hold()
  const loading = stage.followed.load(asset('as'))
  stage.put('c')
  stage.tell('create', 'as/c')
  await stage.settle()
  go()
  expect(await loading).toMatchObject({ names: ['a', 'b', 'c'] })
  expect(stage.looks).toBe(2)

  stage.assets.set('new', asset('new'))
  for (const name of ['d', 'e']) stage.put(name, 'new')
  go = stage.hold()
  const second = stage.followed.load(asset('new'))
  await stage.settle()
  stage.tell('delete', 'new/d')
  go()
  expect(await second).toMatchObject({ names: ['e'] })
  await stage.followed.stop()
})

it('knows another place of the same files, when their storage account is changed and whenever it looks', async () => {
  const stage = new Stage()
  stage.put('a')
  await stage.followed.load(asset('as'))
  stage.secrets.set('sa_one', 'fresh')
  stage.tell('update', 'sa_other', 'storage-account')
  await stage.settle()
  expect(stage.looks).toBe(1)
  stage.tell('update', 'sa_one', 'storage-account')
  await stage.settle()
  // The asset itself is read anew: it is not as it was when it was loaded.
  stage.assets.set('as', asset('as', 'sa_two'))
  stage.miss()
  await stage.settle()
  expect(stage.heard).toEqual(['as a sa_one', 'as a sa_one:fresh', 'as a sa_two'])
  stage.miss()
  await stage.settle()
  expect(stage.heard).toHaveLength(3)
  await stage.followed.stop()
})

it('knows another place of what it was still reading when its storage account was changed, and minds no other', async () => {
  const stage = new Stage()
  stage.put('a')
  const go = stage.holdPlace()
  const loading = stage.followed.load(asset('as'))
  await stage.settle()
  stage.secrets.set('sa_one', 'fresh')
  stage.tell('update', 'sa_one', 'storage-account')
  go()
  await loading
  expect([stage.looks, stage.heard.at(-1)]).toEqual([2, 'as a sa_one:fresh'])
  stage.assets.set('new', asset('new'))
  stage.put('b', 'new')
  const goOn = stage.holdPlace()
  const second = stage.followed.load(asset('new'))
  await stage.settle()
  stage.tell('update', 'sa_other', 'storage-account')
  goOn()
  await second
  expect([stage.looks, stage.heard.at(-1)]).toEqual([3, 'new b sa_one:fresh'])
  await stage.followed.stop()
})

it("does not read again for others' files that go meanwhile", async () => {
  const stage = new Stage()
  stage.put('a')
  const go = stage.hold()
  const loading = stage.followed.load(asset('as'))
  await stage.settle()
  for (let other = 0; other < 100; other++) stage.tell('delete', `other/${other}`)
  go()
  expect(await loading).toMatchObject({ names: ['a'] })
  expect(stage.looks).toBe(1)
  await stage.followed.stop()
})

it('tries again a second after a failure, once, however often it has failed', async () => {
  const stage = new Stage()
  stage.put('a')
  stage.isDown = true
  stage.followed.hold('as', asset('as').accountId)
  await stage.followed.tried('as')
  for (let round = 0; round < 3; round++) {
    await stage.clock.advance(300)
    stage.miss()
    await stage.settle()
  }
  expect([stage.looks, stage.warnings.length]).toEqual([4, 4])
  stage.isDown = false
  await stage.clock.advance(999)
  expect(stage.looks).toBe(4)
  await stage.clock.advance(1)
  await stage.settle()
  expect(stage.heard).toEqual(['as a sa_one'])
  await stage.clock.advance(60_000)
  expect(stage.looks).toBe(5)
  await stage.followed.stop()
})

it('tells who loads that it has failed, and holds nothing then, nor what nothing follows from or nobody wants', async () => {
  const stage = new Stage()
  const { followed } = stage
  stage.isDown = true
  await expect(followed.load(asset('as'))).rejects.toMatchObject({ code: 'STORE_DOWN' })
  expect(followed.has('as')).toBe(false)
  stage.isDown = false
  expect(await followed.load(asset('as'))).toBeUndefined()
  expect(followed.has('as')).toBe(false)
  stage.put('a')
  stage.unwanted.add('as')
  expect(await followed.load(asset('as'))).toBeUndefined()
  await stage.clock.advance(60_000)
  expect([stage.looks, stage.heard, stage.warnings]).toEqual([3, [], []])
  await followed.stop()
})

it('forgets what is released, also in the middle of a read that then fails or succeeds', async () => {
  const stage = new Stage()
  const { followed } = stage
  stage.put('a')
  const go = stage.hold()
  followed.hold('as', asset('as').accountId)
  followed.release('as')
  go()
  await stage.settle()
  expect([stage.heard, followed.has('as')]).toEqual([[], false])
  stage.isDown = true
  followed.hold('as', asset('as').accountId)
  followed.release('as')
  await stage.clock.advance(60_000)
  expect(stage.looks).toBe(2)
  stage.isDown = false
  await followed.load(asset('as'))
  followed.release('as')
  stage.tell('delete', 'as/a')
  await stage.settle()
  expect([stage.looks, stage.heard]).toEqual([3, ['as a sa_one', 'as none']])
  expect(followed.fileCount('as')).toBe(0)
  await followed.stop()
})

it('has ended when what it reads has, also of what was released; nobody hears of that', async () => {
  const stage = new Stage()
  const { followed } = stage
  stage.put('a')
  stage.isDown = true
  followed.hold('down', asset('down').accountId)
  await followed.tried('down')
  stage.isDown = false
  const go = stage.hold()
  followed.hold('as', asset('as').accountId)
  followed.release('as')
  let hasEnded = false
  const stopping = followed.stop().then(() => {
    hasEnded = true
  })
  await stage.settle()
  expect(hasEnded).toBe(false)
  go()
  await stopping
  await stage.clock.advance(60_000)
  expect([stage.looks, stage.heard]).toEqual([2, ['deaf']])
})
