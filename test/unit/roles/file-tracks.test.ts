import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { type Asset, hasRecording, withOtherFiles } from '../../../src/domain/asset.ts'
import type { AssetFile } from '../../../src/domain/asset-file.ts'
import type { ChangeSet } from '../../../src/domain/change-set.ts'
import type { Change } from '../../../src/domain/entity-store.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { openFilePresentation } from '../../../src/ondemand/file-presentation.ts'
import { FileTracks, type FileTracksPorts } from '../../../src/roles/file-tracks.ts'

const folder = mkdtempSync(join(tmpdir(), 'file-tracks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const movie = join(folder, 'movie.mp4')
execFileSync('ffmpeg', [
  ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=2', '-f', 'lavfi', '-i', 'sine=r=48000:d=2'],
  ...['-c:v', 'libx264', '-preset', 'ultrafast', '-c:a', 'aac', '-metadata:s:a:0', 'language=deu', movie],
])
const bytes = readFileSync(movie)

/** An asset of the store, its files, and who looks at them. */
class Stage {
  readonly clock = new VirtualClock()
  asset = { id: 'as_1', accountId: 'ac_1', etag: '1', state: 'Ready', tracks: [] } as unknown as Asset
  files = [
    {
      id: 'af_1',
      assetId: 'as_1',
      name: 'movie.mp4',
      mimeType: 'video/mp4',
      state: 'Ready',
      sizeBytes: bytes.byteLength,
    },
  ]
  content: Buffer = bytes
  isDown = false
  /** The store is asked for the asset's files. */
  onLook: () => Promise<void> = async () => undefined
  /** Readings of the store that fail. */
  storeFailures = 0
  races = 0
  commits = 0
  readonly tracks: FileTracks
  #follow: (changes: readonly Change[]) => void = () => undefined

  constructor() {
    this.tracks = new FileTracks({
      repository: {
        findAnywhere: async () => this.asset,
        each: (kind: string) => (kind === 'account' ? this.#accounts() : this.#assets()),
        referring: async () => {
          const found = this.files as unknown as AssetFile[]
          void this.onLook()
          return found
        },
        commit: async (changes: ChangeSet) => {
          this.commits++
          if (this.races-- > 0) throw new AppError('ETAG_MISMATCH', 'somebody else')
          const [operation] = changes.operations
          if (operation?.op !== 'update') throw new Error('no update')
          this.asset = { ...this.asset, ...(operation.entity.body as object) } as Asset
          return { get: () => this.asset }
        },
      },
      storages: {
        of: async () => ({
          read: async (_blob: string, { first, last }: { first: number; last: number }) => {
            if (this.isDown) throw new AppError('STORAGE_DOWN', 'down')
            return this.content.subarray(first, last + 1)
          },
        }),
      },
      open: openFilePresentation,
      changes: {
        onChange: (listener: (changes: readonly Change[]) => void) => {
          this.#follow = listener
          return () => undefined
        },
        onReset: () => () => undefined,
      },
      shelf: { find: () => undefined },
      clock: this.clock,
      logger: silentLogger,
    } as unknown as FileTracksPorts)
  }

  /** The assets of the store, those that were there before it began. */
  existing: readonly string[] = []
  async *#accounts() {
    yield { id: 'ac_1' }
  }

  async *#assets() {
    if (this.storeFailures-- > 0) throw new AppError('STORE_DOWN', 'down')
    for (const _ of this.existing) yield this.asset
  }

  begin(): this {
    this.tracks.begin()
    return this
  }

  /** The asset was written. */
  tell(): void {
    this.#follow([{ kind: 'asset', id: 'as_1', op: 'update', accountId: 'ac_1', sequence: 1 } as unknown as Change])
  }

  async changed(): Promise<void> {
    this.tell()
    await this.settle()
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 200; turn++) await setImmediate()
  }
}

it('an asset says what its files are when they were uploaded, and nothing of it once they are others', async () => {
  const stage = new Stage().begin()
  await stage.changed()
  expect(stage.asset).toMatchObject({
    tracksFrom: 'files',
    duration: 'PT2S',
    tracks: [
      { name: 'video-1', kind: 'video', codec: expect.stringMatching(/^avc1\./), width: 320, height: 180 },
      { name: 'audio-1', kind: 'audio', codec: 'mp4a.40.2', language: 'de' },
    ],
  })
  await stage.changed()
  expect(stage.commits).toBe(1)
  expect(hasRecording(stage.asset)).toBe(false)
  const other = withOtherFiles(stage.asset)
  expect([other.tracks, other.duration, other.tracksFrom]).toEqual([[], undefined, undefined])
  await stage.tracks.stop()
})

it('leaves alone what is recorded, and what nobody can play; tries again where storage is away, or somebody else wrote', async () => {
  const stage = new Stage().begin()
  stage.asset = { ...stage.asset, state: 'Recording' }
  await stage.changed()
  stage.asset = { ...stage.asset, state: 'Ready' }
  stage.content = Buffer.alloc(bytes.byteLength, 7)
  await stage.changed()
  expect(stage.commits).toBe(0)
  stage.content = bytes
  stage.isDown = true
  await stage.changed()
  stage.isDown = false
  stage.races = 1
  await stage.clock.advance(5_000)
  await stage.settle()
  expect([stage.commits, stage.asset.tracks.length]).toEqual([2, 2])
  await stage.tracks.stop()
})

it('misses no asset, whenever it is written while another is being read', async () => {
  const { files: ready } = new Stage()
  for (let microtasks = 0; microtasks < 24; microtasks++) {
    const stage = new Stage().begin()
    stage.files = []
    let looks = 0
    stage.onLook = async () => {
      if (++looks > 1) return
      for (let passed = 0; passed < microtasks; passed++) await undefined
      stage.files = ready
      stage.tell()
    }
    await stage.changed()
    expect([microtasks, stage.commits]).toEqual([microtasks, 1])
    await stage.tracks.stop()
  }
})

it('looks at its start at assets whose files were uploaded just before the node went down', async () => {
  const stage = new Stage()
  stage.existing = ['as_1']
  stage.storeFailures = 1
  stage.begin()
  await stage.settle()
  expect(stage.commits).toBe(0)
  await stage.clock.advance(5_000)
  await stage.settle()
  expect([stage.commits, stage.asset.tracks.length]).toEqual([1, 2])
  await stage.tracks.stop()
  const told = new Stage()
  told.asset = stage.asset
  told.existing = ['as_1']
  told.begin()
  await told.settle()
  expect(told.commits).toBe(0)
  await told.tracks.stop()
})
