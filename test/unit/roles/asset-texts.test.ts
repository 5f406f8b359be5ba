import { expect, it } from 'vitest'
import type { AssetFile } from '../../../src/domain/asset-file.ts'
import type { Change } from '../../../src/domain/entity-store.ts'
import type { TextSet } from '../../../src/domain/text-sidecar.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { AssetTexts, type AssetTextsPorts } from '../../../src/roles/asset-texts.ts'

type Listener = { opened(id: string, asset: { accountId: string }): void; closed(id: string): void }

/** Texts of one asset, whose store and presentations the test plays. */
class Stage {
  readonly clock = new VirtualClock()
  readonly files = new Map<string, AssetFile>()
  readonly open = new Map<string, readonly string[]>()
  readonly listeners: Listener[] = []
  readonly texts: AssetTexts
  isDown = false
  changed: (changes: readonly Change[]) => void = () => undefined
  missed: () => void = () => undefined

  constructor() {
    const subscribe = (listener: Listener) => {
      this.listeners.push(listener)
      return () => undefined
    }
    this.texts = new AssetTexts({
      repository: {
        referring: async () => {
          if (this.isDown) throw new AppError('STORE_DOWN', 'down')
          return [...this.files.values()]
        },
        findAnywhere: async (kind: string, id: string) =>
          kind === 'asset' ? { id, accountId: 'ac' } : this.files.get(id),
      },
      storages: { placeOf: async () => ({ place: {}, key: undefined }) },
      changes: {
        onChange: (listener: Stage['changed']) => {
          this.changed = listener
          return () => undefined
        },
        onReset: (listener: () => void) => {
          this.missed = listener
          return () => undefined
        },
      },
      shelf: { subscribe },
      files: { subscribe },
      directory: {
        openTexts: (set: TextSet) =>
          void this.open.set(
            set.assetId,
            set.texts.map(({ name }) => name),
          ),
        closeTexts: (id: string) => void this.open.delete(id),
      },
      clock: this.clock,
      logger: silentLogger,
    } as unknown as AssetTextsPorts)
    this.texts.begin()
  }

  put(name: string): void {
    this.files.set(name, { id: name, name, assetId: 'as', state: 'Ready', sizeBytes: 3 } as unknown as AssetFile)
  }

  tell(op: Change['op'], id: string): void {
    this.changed([{ sequence: 1, op, kind: 'asset-file', id, accountId: 'ac' }])
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
}

it('follows the texts of what has a presentation here, until nobody has one', async () => {
  const stage = new Stage()
  stage.put('a.en.vtt')
  stage.put('a.mp4')
  const [files, shelf] = stage.listeners
  files?.opened('as', { accountId: 'ac' })
  await stage.texts.tried('as')
  expect(stage.open.get('as')).toEqual(['a.en.vtt'])
  stage.put('a.de.vtt')
  stage.tell('create', 'a.de.vtt')
  await stage.settle()
  expect(stage.open.get('as')).toEqual(['a.de.vtt', 'a.en.vtt'])
  stage.files.delete('a.en.vtt')
  stage.tell('delete', 'a.en.vtt')
  await stage.settle()
  expect(stage.open.get('as')).toEqual(['a.de.vtt'])
  shelf?.opened('as', { accountId: 'ac' })
  files?.closed('as')
  expect(stage.open.has('as')).toBe(true)
  shelf?.closed('as')
  expect(stage.open.has('as')).toBe(false)
  await stage.texts.stop()
})

it('looks again when changes were missed, and when the store is back', async () => {
  const stage = new Stage()
  stage.isDown = true
  stage.listeners[0]?.opened('as', { accountId: 'ac' })
  await stage.texts.tried('as')
  stage.put('a.en.vtt')
  stage.isDown = false
  await stage.clock.advance(1_000)
  await stage.settle()
  expect(stage.open.get('as')).toEqual(['a.en.vtt'])
  stage.files.clear()
  stage.missed()
  await stage.settle()
  expect(stage.open.has('as')).toBe(false)
  await stage.texts.stop()
})
