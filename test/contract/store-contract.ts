import { afterAll, beforeAll, describe } from 'vitest'
import type { Store } from '../../src/domain/entity-store.ts'
import { open, type StoreEngine } from './store-engine.ts'
import { entityContract } from './store-entities.ts'
import { failureContract } from './store-failure.ts'
import { feedContract, schemaContract } from './store-feeds.ts'
import { listingContract } from './store-listing.ts'
import { modelContract } from './store-model.ts'
import { referenceContract, transactionContract } from './store-transactions.ts'

/** What every entity store does: one suite, run on each engine, and what only this engine does. */
export function storeContract(engine: StoreEngine, modelRuns: number, own: () => void = () => undefined): void {
  // Generous: a shared machine is slow at times, and nothing here waits for a time limit to pass.
  describe(`a store on ${engine.name}`, { timeout: 60_000 }, () => {
    let url = ''
    let shared: Store | undefined
    const store = () => {
      if (!shared) throw new Error('the store is not open')
      return shared
    }

    beforeAll(async () => {
      await engine.start()
      url = await engine.freshUrl()
      shared = await open(url)
    }, 60_000)

    afterAll(async () => {
      await shared?.stop()
      await engine.stop()
    }, 60_000)

    describe('entities', () => entityContract(store))
    describe('listing', () => listingContract(store))
    describe('references', () => referenceContract(store))
    describe('transactions', () => transactionContract(store))
    describe('feeds', () => feedContract(store, () => url))
    describe('the schema', () => schemaContract(engine))
    describe('the model', () => modelContract(store, modelRuns))
    describe('failure', () => failureContract(engine))
    own()
  })
}
