import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { type StoreEngine, unique } from './store-engine.ts'

/** The file of a `sqlite:` URL. */
export const pathOf = (url: string) => url.slice('sqlite:'.length)

/** Lets another process lock the file against writers. */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const holder = spawn(process.execPath, [fileURLToPath(new URL('./store-lock-holder.ts', import.meta.url)), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(holder, 'exit')
  const first = await Promise.race([once(holder.stdout, 'data'), exited.then(() => [''])])
  if (!String(first[0]).startsWith('locked')) throw new Error('the file could not be locked')
  return async () => {
    holder.stdin.end('go\n')
    await exited
  }
}

/** SQLite, on files in a folder of its own. */
export class SqliteEngine implements StoreEngine {
  readonly name = 'SQLite'
  readonly readsGoOn = true
  #folder = ''

  async start(): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), 'headend-store-'))
  }

  async stop(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async freshUrl(): Promise<string> {
    return `sqlite:${join(this.#folder, `${unique('store')}.db`)}`
  }

  async execute(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    const db = new DatabaseSync(pathOf(url), { timeout: 10_000 })
    try {
      return db.prepare(sql).all()
    } finally {
      db.close()
    }
  }

  holdUp(url: string): Promise<() => Promise<void>> {
    return lockFile(pathOf(url))
  }
}
