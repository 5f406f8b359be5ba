import { describe, expect, it } from 'vitest'
import type { Asset } from '../../../src/domain/asset.ts'
import type { AssetFile } from '../../../src/domain/asset-file.ts'
import type { Change } from '../../../src/domain/entity-store.ts'
import type { FileSet } from '../../../src/domain/file-set.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { FilePresentations, type FilePresentationsPorts } from '../../../src/roles/file-presentations.ts'

const assetOf = (id = 'as_one') => ({ id, accountId: 'ac_one' }) as Asset

/** Published files whose store, shelf and origin threads the test plays. */
class Stage {
  readonly clock = new VirtualClock()
  readonly files = new Map<string, AssetFile>()
  readonly open = new Map<string, FileSet>()
  readonly heard: string[] = []
  readonly recorded = new Set<string>()
  reads = 0
  isDown = false
  held: Promise<void> | undefined
  readonly presentations: FilePresentations
  #follow: (changes: readonly Change[]) => void = () => undefined
  #reset: () => void = () => undefined
  #begun: (assetId: string) => void = () => undefined

  constructor() {
    const found = async <T>(look: () => T): Promise<T> => {
      this.reads++
      if (this.isDown) throw new AppError('STORE_DOWN', 'down')
      const result = look()
      await this.held
      return result
    }
    this.presentations = new FilePresentations({
      repository: {
        referring: (_kind: string, _account: string, { id }: { id: string }) =>
          found(() => [...this.files.values()].filter(({ assetId }) => assetId === id)),
        findAnywhere: (kind: string, id: string) => found(() => (kind === 'asset' ? assetOf(id) : this.files.get(id))),
      },
      storages: { placeOf: async () => ({ place: {}, key: undefined }) },
      changes: {
        onChange: (listener: (changes: readonly Change[]) => void) => {
          this.#follow = listener
          return () => undefined
        },
        onReset: (listener: () => void) => {
          this.#reset = listener
          return () => undefined
        },
      },
      shelf: {
        find: (id: string) => (this.recorded.has(id) ? {} : undefined),
        subscribe: ({ opened }: { opened: (id: string) => void }) => {
          this.#begun = opened
          return () => undefined
        },
      },
      directory: {
        openFiles: (set: FileSet) => void this.open.set(set.assetId, set),
        closeFiles: (id: string) => void this.open.delete(id),
      },
      clock: this.clock,
      logger: silentLogger,
    } as unknown as FilePresentationsPorts)
    this.presentations.begin()
    this.presentations.subscribe({
      opened: (id, { manifestName }) => void this.heard.push(`+${id} ${manifestName}`),
      closed: (id) => void this.heard.push(`-${id}`),
    })
  }

  add(name: string, more: Partial<AssetFile> = {}, assetId = 'as_one'): void {
    const fresh = {
      id: `af_${assetId}_${name}`,
      name,
      assetId,
      state: 'Ready',
      sizeBytes: 4,
      isPrimary: false,
      ...more,
    }
    this.files.set(fresh.id, { mimeType: 'video/mp4', ...fresh } as AssetFile)
  }

  change(op: Change['op'], name: string, assetId = 'as_one'): void {
    const id = `af_${assetId}_${name}`
    if (op === 'delete') this.files.delete(id)
    this.#follow([{ sequence: 1, op, kind: 'asset-file', id, accountId: 'ac_one' }])
  }

  missChanges(): void {
    this.#reset()
  }

  record(assetId: string): void {
    this.recorded.add(assetId)
    this.#begun(assetId)
  }

  names(assetId = 'as_one'): string[] | undefined {
    return this.open.get(assetId)?.files.map(({ name }) => name)
  }

  /** Until everything that was begun is done. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    await this.clock.advance(0)
  }
}

describe('FilePresentations', () => {
  it('makes known what an asset publishes when it is asked for, and reads nothing of others', async () => {
    const stage = new Stage()
    stage.add('b.mp4')
    stage.add('a.mp4')
    stage.change('create', 'a.mp4')
    await stage.settle()
    expect(stage.reads).toBe(0)
    expect(await stage.presentations.load(assetOf())).toBe(true)
    expect(stage.names()).toEqual(['a.mp4', 'b.mp4'])
    expect(stage.open.get('as_one')?.place.folder).toBe('as_one')
    expect(stage.heard).toEqual(['+as_one a'])
    expect(await stage.presentations.load(assetOf())).toBe(true)
    expect(stage.reads).toBe(1)
    expect(await stage.presentations.load(assetOf('as_none'))).toBe(false)
    expect(stage.heard).toEqual(['+as_one a'])
  })

  it('reads once for all who ask at the same time', async () => {
    const stage = new Stage()
    stage.add('a.mp4')
    const asked = Array.from({ length: 5 }, () => stage.presentations.load(assetOf()))
    expect(await Promise.all(asked)).toEqual([true, true, true, true, true])
    expect(stage.reads).toBe(1)
  })

  it('follows files as they come, are renamed and go', async () => {
    const stage = new Stage()
    stage.add('b.mp4')
    await stage.presentations.load(assetOf())
    const { digest } = stage.open.get('as_one')!
    stage.add('c.mp4')
    stage.change('update', 'c.mp4')
    await stage.settle()
    expect(stage.names()).toEqual(['b.mp4', 'c.mp4'])
    expect(stage.open.get('as_one')!.digest).not.toBe(digest)
    stage.add('c.mp4', { isPrimary: true })
    stage.change('update', 'c.mp4')
    await stage.settle()
    expect(stage.heard).toEqual(['+as_one b', '+as_one c'])
    stage.change('delete', 'c.mp4')
    await stage.settle()
    expect(stage.open.get('as_one')).toMatchObject({ digest, manifestName: 'b' })
    stage.change('delete', 'b.mp4')
    await stage.settle()
    expect(stage.open.size).toBe(0)
    expect(stage.heard.slice(2)).toEqual(['+as_one b', '-as_one'])
  })

  it('misses nothing that changes while it reads, and nothing that it is not told of', async () => {
    const stage = new Stage()
    stage.add('a.mp4')
    const held = Promise.withResolvers<void>()
    stage.held = held.promise
    const loading = stage.presentations.load(assetOf())
    stage.add('b.mp4')
    stage.change('create', 'b.mp4')
    held.resolve()
    expect(await loading).toBe(true)
    await stage.settle()
    expect(stage.names()).toEqual(['a.mp4', 'b.mp4'])
    stage.add('c.mp4')
    stage.missChanges()
    await stage.settle()
    expect(stage.names()).toEqual(['a.mp4', 'b.mp4', 'c.mp4'])
  })

  it('keeps what it knows while the store is down, and says so to who asks for something else', async () => {
    const stage = new Stage()
    stage.add('a.mp4')
    await stage.presentations.load(assetOf())
    stage.isDown = true
    stage.add('b.mp4')
    stage.missChanges()
    await stage.settle()
    await expect(stage.presentations.load(assetOf('as_two'))).rejects.toMatchObject({ code: 'STORE_DOWN' })
    expect(stage.names()).toEqual(['a.mp4'])
    stage.isDown = false
    await stage.clock.advance(1_000)
    await stage.settle()
    expect(stage.names()).toEqual(['a.mp4', 'b.mp4'])
    stage.add('a.mp4', {}, 'as_two')
    expect(await stage.presentations.load(assetOf('as_two'))).toBe(true)
  })

  it('gives way to a recording, also to one that begins while it reads, and to the end of the asset', async () => {
    const stage = new Stage()
    for (const asset of ['as_one', 'as_two', 'as_three']) stage.add('a.mp4', {}, asset)
    await stage.presentations.load(assetOf())
    stage.record('as_one')
    expect(stage.open.has('as_one')).toBe(false)
    const held = Promise.withResolvers<void>()
    stage.held = held.promise
    const loading = stage.presentations.load(assetOf('as_two'))
    stage.record('as_two')
    held.resolve()
    expect(await loading).toBe(false)
    await stage.presentations.load(assetOf('as_three'))
    stage.presentations.drop('as_three')
    expect(stage.open.size).toBe(0)
    expect(stage.heard).toEqual(['+as_one a', '-as_one', '+as_three a', '-as_three'])
  })

  it('holds a thousand assets, those that were asked for last', async () => {
    const stage = new Stage()
    for (let index = 0; index < 1_003; index++) stage.add('a.mp4', {}, `as_${index}`)
    for (let index = 0; index < 1_000; index++) await stage.presentations.load(assetOf(`as_${index}`))
    await stage.presentations.load(assetOf('as_0'))
    for (const index of [1_000, 1_001, 1_002]) await stage.presentations.load(assetOf(`as_${index}`))
    expect(stage.open.size).toBe(1_000)
    expect(['as_0', 'as_1', 'as_2', 'as_3', 'as_4'].filter((id) => stage.open.has(id))).toEqual(['as_0', 'as_4'])
    await stage.presentations.stop()
  })
})
