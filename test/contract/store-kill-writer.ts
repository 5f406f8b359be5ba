import { openSync, writeSync } from 'node:fs'
import { open } from './store-engine.ts'

/**
 * Writes to the store at a URL until it is killed, and notes in a file of each write when it begins (`C`, `U`, `D`) and when it was
 * acknowledged (`c`, `u`, `d`). An asset, its locator, an audit record and an idempotency key are written together.
 */
const [url = '', run = '', notes = ''] = process.argv.slice(2)
// The kernel keeps what was written to the file; a pipe could be full when the reader is slow.
const file = openSync(notes, 'w')
const say = (line: string) => writeSync(file, `${line}\n`)
const store = await open(url)
process.stdout.write('ready\n')

async function write(lane: number): Promise<never> {
  for (let index = 0; ; index++) {
    const id = `${run}-${lane}-${index}`
    const refs = [{ relation: 'of', kind: 'asset', id, onDelete: 'cascade' }] as const
    const tags = { lane: String(lane) }
    say(`C ${id}`)
    const [asset] = await store.transaction([
      { op: 'create', entity: { kind: 'asset', id, accountId: 'a', name: id, tags, body: { n: 0 } } },
      {
        op: 'create',
        entity: { kind: 'locator', id, accountId: 'a', refs, body: { filler: 'x'.repeat(index % 3_000) } },
      },
      { op: 'append', log: 'audit', record: { accountId: 'a', kind: 'created', subject: id, body: 0 } },
      { op: 'remember', accountId: 'a', key: id, requestHash: 'h', answer: 0, expires: Date.now() + 3_600_000 },
    ])
    say(`c ${id}`)
    say(`U ${id}`)
    await store.update({ kind: 'asset', id, name: `${id}-updated`, tags, body: { n: 1 } }, asset.etag)
    say(`u ${id}`)
    if (index % 4 !== 0) continue
    say(`D ${id}`)
    await store.delete('asset', id)
    say(`d ${id}`)
  }
}

await Promise.all([0, 1, 2, 3].map(write))
