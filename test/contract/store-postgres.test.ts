import { expect, it, vi } from 'vitest'
import type { Store } from '../../src/domain/entity-store.ts'
import { storeContract } from './store-contract.ts'
import { failureOf, open } from './store-engine.ts'
import { PostgresEngine } from './store-postgres-engine.ts'

const engine = new PostgresEngine()

async function withStore(run: (store: Store, url: string) => Promise<void>): Promise<void> {
  const url = await engine.freshUrl()
  const store = await open(url)
  try {
    await run(store, url)
  } finally {
    await store.stop()
  }
}

const entity = { kind: 'k', id: 'x', accountId: 'a', body: {} }

storeContract(engine, 30, () => {
  it('repeats a transaction that the server undid because of another', () =>
    withStore(async (store, url) => {
      // A sequence counts the tries: it is not undone with them.
      await engine.execute(url, 'create sequence tries')
      await engine.execute(
        url,
        `create function refuse() returns trigger language plpgsql as $$ begin
          if nextval('tries') < 3 or new.id = 'never' then raise 'again' using errcode = '40001'; end if;
          return new; end $$`,
      )
      await engine.execute(url, 'create trigger refuse before insert on change for each row execute function refuse()')
      expect(await store.create(entity)).toMatchObject(entity)
      expect(await engine.execute(url, 'select last_value from tries')).toEqual([{ last_value: '3' }])
      expect(await failureOf(store.create({ ...entity, id: 'never' }))).toEqual({
        code: 'STORE_DOWN',
        details: { outcome: 'not-applied' },
      })
    }))

  it('connects again when the server has ended its connections', () =>
    withStore(async (store, url) => {
      await store.create(entity)
      await engine.execute(url, 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
      const read = () => store.get('k', 'x')
      expect(await vi.waitFor(read, { timeout: 20_000 })).toMatchObject(entity)
      expect(await failureOf(store.create(entity))).toMatchObject({ code: 'ENTITY_EXISTS' })
    }))

  it('leaves no connection behind', async () => {
    const url = await engine.freshUrl()
    const store = await open(url)
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.create({ ...entity, id: `${index}` })))
    const count = `select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
    const [during] = await engine.execute(url, count)
    expect(during?.['n']).toBeGreaterThan(0)
    expect(during?.['n']).toBeLessThanOrEqual(8)
    await store.stop()
    await vi.waitFor(async () => expect(await engine.execute(url, count)).toEqual([{ n: 0 }]), { timeout: 20_000 })
  })

  it('says that nobody answers, and no password', async () => {
    const url = 'postgres://headend:s3cret@/none?host=/nonexistent'
    const error = await open(url).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'STORE_DOWN' })
    expect(JSON.stringify([String(error), error, String((error as Error).cause)])).not.toContain('s3cret')
  })
})
