import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

type Written = { steps: string }

/** What there may be of an asset, by the steps that its writer told of. */
function possibleStates(steps: string): readonly string[] {
  const updated = steps.includes('u') ? ['1'] : steps.includes('U') ? ['0', '1'] : ['0']
  if (steps.includes('d')) return ['gone']
  if (steps.includes('D')) return ['gone', ...updated]
  return steps.includes('c') ? updated : ['gone', ...updated]
}

/** One file, written by one process after another, each of which is killed. */
export class KillRuns {
  readonly #path: string
  readonly #written = new Map<string, Written>()
  #acknowledged = 0

  constructor(path: string) {
    this.#path = path
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Lets a process write and kills it: `afterReady` says whether the time counts from its opening of the store. */
  async kill(run: string, afterMs: number, afterReady: boolean): Promise<void> {
    const notes = `${this.#path}.notes`
    rmSync(notes, { force: true })
    const writer = spawn(
      process.execPath,
      [fileURLToPath(new URL('./store-kill-writer.ts', import.meta.url)), `sqlite:${this.#path}`, run, notes],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    let problem = ''
    const ready = Promise.withResolvers<void>()
    writer.stdout.on('data', () => ready.resolve())
    writer.stderr.on('data', (text) => {
      problem += text
    })
    const closed = once(writer, 'close').then(() => ready.resolve())
    if (afterReady) await ready.promise
    await sleep(afterMs)
    writer.kill('SIGKILL')
    await closed
    expect(problem).toBe('')
    if (existsSync(notes)) this.#note(readFileSync(notes, 'utf8'))
  }

  /** The file is whole, all that was acknowledged is there, and nothing is by halves. */
  verify(): void {
    const db = new DatabaseSync(this.#path)
    try {
      const all = (sql: string) => db.prepare(sql).all() as Record<string, string | number>[]
      expect(all('pragma integrity_check')).toMatchObject([{ integrity_check: 'ok' }])
      expect(all('pragma foreign_key_check')).toEqual([])
      if (all("select 1 from sqlite_master where name = 'prune_mark'").length === 0) {
        expect(this.#acknowledged).toBe(0)
        return
      }
      const assets = new Map(
        all("select id, name, body from entity where kind = 'asset'").map((row) => [String(row['id']), row]),
      )
      for (const [id, { steps }] of this.#written) {
        const asset = assets.get(id)
        const state = asset ? String(JSON.parse(String(asset['body'])).n) : 'gone'
        expect(possibleStates(steps), `${id} after ${steps}`).toContain(state)
        if (asset) expect(asset['name']).toBe(state === '1' ? `${id}-updated` : id)
      }
      const count = (sql: string) => Number(all(`select count(*) as n from ${sql}`)[0]?.['n'])
      const whole = `entity a join entity l on l.kind = 'locator' and l.id = a.id
        join entity_reference r on r.source_kind = 'locator' and r.source_id = a.id and r.target_id = a.id
        join entity_tag t on t.kind = 'asset' and t.id = a.id where a.kind = 'asset'`
      for (const part of [whole, "entity where kind = 'locator'", 'entity_reference', 'entity_tag']) {
        expect(count(part), part).toBe(assets.size)
      }
      const created = count("change where kind = 'asset' and op = 'create'")
      expect(count('audit_record')).toBe(created)
      expect(count('idempotency_key')).toBe(created)
      expect(count("change where kind = 'locator' and op = 'create'")).toBe(created)
      expect(created - count("change where kind = 'asset' and op = 'delete'")).toBe(assets.size)
    } finally {
      db.close()
    }
  }

  remove(): void {
    for (const suffix of ['', '-wal', '-shm', '.notes']) rmSync(this.#path + suffix, { force: true })
  }

  #note(output: string): void {
    // A line that the kill cut short tells nothing.
    for (const line of output.split('\n').slice(0, -1)) {
      const [step = '', id] = line.split(' ')
      if (id === undefined) continue
      const written = this.#written.get(id) ?? { steps: '' }
      written.steps += step
      this.#written.set(id, written)
      if (step === step.toLowerCase()) this.#acknowledged++
    }
  }
}

/** A sequence of kills in `folder` at random moments of opening, migrating and writing; the number of acknowledged writes. */
export async function killRepeatedly(folder: string, lane: string, kills: number): Promise<number> {
  const KILLS_PER_FILE = 20
  let acknowledged = 0
  for (let done = 0; done < kills; ) {
    const runs = new KillRuns(join(folder, `${lane}-${done}.db`))
    for (let run = 0; run < KILLS_PER_FILE && done < kills; run++, done++) {
      // Every fifth is killed at any moment since it was spawned: while it opens, makes or recovers the file.
      const isEarly = run % 5 === 0
      await runs.kill(`${lane}${run}`, Math.random() * (isEarly ? 400 : 120), !isEarly)
      // Half of the files are recovered by the next writer, not by the reader that looks at them.
      if (run % 2 === 1) runs.verify()
    }
    runs.verify()
    acknowledged += runs.acknowledged
    runs.remove()
  }
  return acknowledged
}
