import { afterEach, describe, expect, it } from 'vitest'
import type { Change } from '../../../src/domain/entity-store.ts'
import type { Locator } from '../../../src/domain/locator.ts'
import type { Repository } from '../../../src/domain/repository.ts'
import type { StreamingEndpoint } from '../../../src/domain/streaming-endpoint.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { AppError } from '../../../src/lib/errors.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import type { Publication } from '../../../src/log/feed-messages.ts'
import type { FilesListener } from '../../../src/roles/file-presentations.ts'
import { LocatorPublisher } from '../../../src/roles/locator-publisher.ts'
import type { PresentationShelf } from '../../../src/roles/presentation-shelf.ts'
import { ShelfBench } from './archive-fixture.ts'

const endpoint = (id: string, accountId = 'ac_one') => ({ id, accountId }) as StreamingEndpoint

/** A publisher whose store, changes and origin threads the test plays. */
class Stage {
  readonly clock = new VirtualClock()
  /** What the threads have been told, by locator. */
  readonly published = new Map<string, Publication>()
  readonly locators = new Map<string, Locator>()
  readonly assets = new Set(['as_one', 'as_two', 'as_far'])
  readonly bench = new ShelfBench()
  readonly shelf: PresentationShelf
  readonly publisher: LocatorPublisher
  /** What hears of uploaded files, and which assets' files are to be known no more. */
  files: FilesListener = { opened: () => undefined, closed: () => undefined }
  readonly dropped: string[] = []
  reads = 0
  isDown = false
  /** What every reading waits for, once it has looked. */
  held: Promise<void> | undefined
  /** Origin threads that do not answer. */
  isStuck = false
  #follow: (changes: readonly Change[]) => void = () => undefined
  #reset: () => void = () => undefined
  #sequence = 0

  constructor() {
    this.shelf = this.bench.shelf
    const told = () => (this.isStuck ? new Promise<void>(() => undefined) : Promise.resolve())
    this.publisher = new LocatorPublisher({
      repository: this.#repository() as unknown as Repository,
      changes: {
        onChange: (listener) => {
          this.#follow = listener
          return () => undefined
        },
        onReset: (listener) => {
          this.#reset = listener
          return () => undefined
        },
      },
      shelf: this.shelf,
      files: {
        subscribe: (listener) => {
          this.files = listener
          return () => undefined
        },
        drop: (assetId) => void this.dropped.push(assetId),
      },
      directory: {
        publish: (publication) => {
          this.published.set(publication.locatorId, publication)
          return told()
        },
        withdraw: (id) => {
          this.published.delete(id)
          return told()
        },
      },
      rules: { refresh: async () => undefined, close: async () => undefined },
      clock: this.clock,
      logger: silentLogger,
    })
    this.publisher.begin()
  }

  get names(): string[] {
    return [...this.published.keys()].sort()
  }

  #repository() {
    const read = async <T>(look: () => T): Promise<T> => {
      this.reads++
      if (this.isDown) throw new AppError('STORE_DOWN', 'down')
      const found = look()
      await this.held
      return found
    }
    return {
      referring: (_kind: string, _accountId: string, { id }: { id: string }) =>
        read(() => [...this.locators.values()].filter(({ assetId }) => assetId === id)),
      findAnywhere: (kind: string, id: string) =>
        read(() => (kind === 'locator' ? this.locators.get(id) : this.assets.has(id) ? {} : undefined)),
    }
  }

  async open(assetId: string): Promise<void> {
    await this.bench.begin(assetId)
  }

  add(id: string, assetId = 'as_one', more: Partial<Locator> = {}): void {
    this.locators.set(id, { id, assetId, accountId: 'ac_one', ...more } as Locator)
  }

  change(op: Change['op'], id: string, kind = 'locator'): void {
    if (op === 'delete') this.locators.delete(id)
    this.#follow([{ sequence: ++this.#sequence, op, kind, id, accountId: 'ac_one' }])
  }

  create(id: string, assetId = 'as_one'): void {
    this.add(id, assetId)
    this.change('create', id)
  }

  missChanges(): void {
    this.#reset()
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
const stages: Stage[] = []

async function stage(): Promise<Stage> {
  const made = new Stage()
  stages.push(made)
  await made.publisher.endpoints.start(endpoint('se_one'))
  return made
}

afterEach(async () => {
  for (const { publisher, bench } of stages.splice(0)) {
    await publisher.stop()
    await bench.stop()
  }
})

describe('LocatorPublisher', () => {
  it('publishes what was there before the presentation, and what comes after, with its times', async () => {
    const made = await stage()
    made.add('early', 'as_one', { start: '2026-11-21T10:00:00Z', expiry: '2026-11-21T11:00:00Z' })
    made.add('elsewhere', 'as_far')
    await made.open('as_one')
    await made.publisher.published('as_one')
    expect([...made.published.values()]).toEqual([
      {
        locatorId: 'early',
        manifestName: 'manifest',
        presentationId: 'as_one',
        accountId: 'ac_one',
        notBeforeMs: Date.parse('2026-11-21T10:00:00Z'),
        notAfterMs: Date.parse('2026-11-21T11:00:00Z'),
      },
    ])
    made.create('late')
    made.create('of-another', 'as_far')
    await settled()
    expect(made.names).toEqual(['early', 'late'])
    made.change('delete', 'early')
    expect(made.names).toEqual(['late'])
  })

  it('reads nothing of locators while there is nothing to publish', async () => {
    const made = await stage()
    for (let n = 0; n < 100; n++) made.create(`l${n}`)
    await settled()
    expect(made.reads).toBe(0)
    await made.publisher.published('as_one')
  })

  it('withdraws what a presentation that goes had, and discards one whose asset is deleted', async () => {
    const made = await stage()
    made.add('one', 'as_one')
    made.add('two', 'as_two')
    await made.open('as_one')
    await made.open('as_two')
    await settled()
    expect(made.names).toEqual(['one', 'two'])
    made.shelf.discard('as_one')
    expect(made.names).toEqual(['two'])
    made.change('delete', 'as_two', 'asset')
    expect([made.names, made.shelf.find('as_two')]).toEqual([[], undefined])
  })

  it('publishes uploaded files by their name, as they are renamed, and until they are gone', async () => {
    const made = await stage()
    made.add('one', 'as_files', { expiry: '2026-11-21T11:00:00Z' })
    const named = (manifestName: string) => ({ accountId: 'ac_one' as Locator['accountId'], manifestName })
    made.files.opened('as_files', named('film'))
    await made.publisher.published('as_files')
    expect(made.published.get('one')).toMatchObject({ manifestName: 'film', presentationId: 'as_files' })
    expect(made.published.get('one')).toHaveProperty('notAfterMs')
    made.files.opened('as_files', named('movie'))
    await made.publisher.published('as_files')
    expect(made.published.get('one')).toMatchObject({ manifestName: 'movie' })
    await made.publisher.endpoints.stop(endpoint('se_one'))
    expect(made.names).toEqual([])
    await made.publisher.endpoints.start(endpoint('se_one'))
    expect(made.names).toEqual(['one'])
    made.files.closed('as_files')
    expect(made.names).toEqual([])
    made.change('delete', 'as_files', 'asset')
    expect(made.dropped).toEqual(['as_files'])
  })

  it('publishes while an endpoint of the account runs', async () => {
    const made = await stage()
    const { endpoints } = made.publisher
    made.add('one')
    await made.open('as_one')
    await settled()
    await endpoints.start(endpoint('se_two'))
    await endpoints.start(endpoint('se_foreign', 'ac_other'))
    await endpoints.stop(endpoint('se_one'))
    expect(made.names).toEqual(['one'])
    await endpoints.stop(endpoint('se_two'))
    expect(made.names).toEqual([])
    made.create('two')
    await settled()
    expect(made.names).toEqual([])
    await endpoints.start(endpoint('se_one'))
    expect(made.names).toEqual(['one', 'two'])
  })

  it('never publishes again what was revoked while it was being read', async () => {
    const made = await stage()
    made.add('one')
    made.add('two')
    let go: () => void = () => undefined
    made.held = new Promise((resolve) => {
      go = resolve
    })
    await made.open('as_one')
    await settled()
    made.create('three')
    await settled()
    made.locators.delete('one')
    made.locators.delete('three')
    await made.publisher.withdrawn('one')
    made.change('delete', 'three')
    go()
    await settled()
    await settled()
    expect(made.names).toEqual(['two'])
    // What the feed tells late of a locator that is gone changes nothing.
    made.change('create', 'one')
    made.locators.delete('one')
    await settled()
    expect(made.names).toEqual(['two'])
  })

  it('publishes another locator of the same GUID', async () => {
    const made = await stage()
    await made.open('as_one')
    made.create('guid')
    await settled()
    made.locators.delete('guid')
    made.add('guid', 'as_one', { expiry: '2026-11-21T11:00:00Z' })
    await made.publisher.withdrawn('guid')
    await settled()
    expect(made.published.get('guid')).toHaveProperty('notAfterMs')
  })

  it('tries again while the store is down, and does not keep a program waiting', async () => {
    const made = await stage()
    made.add('one')
    made.isDown = true
    await made.open('as_one')
    await made.publisher.published('as_one')
    made.create('two')
    await settled()
    expect(made.names).toEqual([])
    made.isDown = false
    await made.clock.advance(1_000)
    await settled()
    expect(made.names).toEqual(['one', 'two'])
  })

  it('reads everything again where changes were missed', async () => {
    const made = await stage()
    made.add('stays')
    made.add('goes')
    made.add('gone', 'as_two')
    await made.open('as_one')
    await made.open('as_two')
    await settled()
    made.locators.delete('goes')
    made.add('came')
    made.assets.delete('as_two')
    made.missChanges()
    await settled()
    await settled()
    expect(made.names).toEqual(['came', 'stays'])
    expect(made.shelf.find('as_two')).toBeUndefined()
  })

  it('says so when an origin thread does not confirm a revocation, and waits no longer', async () => {
    const made = await stage()
    made.isStuck = true
    const withdrawn = expect(made.publisher.withdrawn('one')).rejects.toMatchObject({ code: 'PART_UNRESPONSIVE' })
    await made.clock.advance(5_000)
    await withdrawn
  })
})
