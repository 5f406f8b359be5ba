import { DatabaseSync } from 'node:sqlite'

/** Locks a SQLite file against writers, says so, and holds it until it is told to end. */
const [path = ''] = process.argv.slice(2)
const db = new DatabaseSync(path, { timeout: 10_000 })
db.exec('begin immediate')
process.stdout.write('locked\n')
process.stdin.once('data', () => {
  db.exec('rollback')
  db.close()
  process.stdin.destroy()
})
