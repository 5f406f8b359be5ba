import { storeContract } from './store-contract.ts'
import { SqliteEngine } from './store-sqlite-engine.ts'

storeContract(new SqliteEngine(), 60)
