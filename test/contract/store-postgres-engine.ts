import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { type StoreEngine, unique } from './store-engine.ts'

const VERSIONS = '/usr/lib/postgresql'

/** The newest server's programs. PostgreSQL is one of the two engines: without it this suite fails. */
function findPrograms(): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions
    .map((version) => join(VERSIONS, version, 'bin'))
    .find((folder) => existsSync(join(folder, 'postgres')))
  if (!found) throw new Error(`no PostgreSQL server under ${VERSIONS}: install Debian's package "postgresql"`)
  return found
}

/** The server refuses to run as root: root lends it the account that the package made. */
function accountOptions(folder: string): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  const [uid, gid] = [idOf('-u'), idOf('-g')]
  chownSync(folder, uid, gid)
  return { uid, gid }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

/** A PostgreSQL server of the test's own, on a socket in a folder of its own. */
export class PostgresEngine implements StoreEngine {
  readonly name = 'PostgreSQL'
  readonly readsGoOn = false
  #folder = ''
  #server: ChildProcess | undefined
  #log = ''

  async start(): Promise<void> {
    const programs = findPrograms()
    this.#folder = mkdtempSync(join(tmpdir(), 'headend-pg-'))
    const account = accountOptions(this.#folder)
    const data = join(this.#folder, 'data')
    // A default collation that orders otherwise than by bytes: the schema may not lean on it.
    const locale = ['--encoding=UTF8', '--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en-US']
    const init = ['-D', data, '-U', 'headend', '--auth=trust', '--no-sync', ...locale]
    execFileSync(join(programs, 'initdb'), init, { ...account, cwd: this.#folder, stdio: 'pipe' })
    const settings = ['listen_addresses=', 'fsync=off', 'max_connections=60', 'shared_buffers=16MB']
    const argv = ['-D', data, '-k', this.#folder, ...settings.flatMap((setting) => ['-c', setting])]
    const server = spawn(join(programs, 'postgres'), argv, {
      ...account,
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#server = server
    server.stderr.on('data', (text) => {
      this.#log += text
    })
    for (const deadline = Date.now() + 30_000; !this.#log.includes('ready to accept connections'); ) {
      if (server.exitCode !== null || Date.now() > deadline) throw new Error(`PostgreSQL does not start: ${this.#log}`)
      await Promise.race([once(server.stderr, 'data'), once(server, 'exit')])
    }
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server && server.exitCode === null) {
      const exited = once(server, 'exit')
      server.kill('SIGINT')
      await exited
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async freshUrl(): Promise<string> {
    const name = unique('store').replace('-', '_')
    await this.execute(this.#urlOf('postgres'), `create database ${name}`)
    return this.#urlOf(name)
  }

  async execute(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }

  async holdUp(): Promise<() => Promise<void>> {
    const pid = this.#server?.pid ?? 0
    // The postmaster first, so that it starts nothing meanwhile; each backend is a session of its own.
    process.kill(pid, 'SIGSTOP')
    const children = childrenOf(pid)
    for (const child of children) process.kill(child, 'SIGSTOP')
    return async () => {
      for (const child of children) process.kill(child, 'SIGCONT')
      process.kill(pid, 'SIGCONT')
    }
  }

  #urlOf(database: string): string {
    return `postgres://headend@/${database}?host=${encodeURIComponent(this.#folder)}`
  }
}
