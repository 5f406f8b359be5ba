import type { SpoolFile, SpoolFolder } from '../../../src/archive/spool/spool-folder.ts'

/** What a call is: the test may refuse it, or let it wait. */
export type DiskCall = {
  readonly op:
    | 'create'
    | 'open'
    | 'write'
    | 'sync'
    | 'read'
    | 'truncate'
    | 'put'
    | 'get'
    | 'list'
    | 'remove'
    | 'destroy'
  readonly name: string
}

type Content = { bytes: Buffer; synced: Buffer }

/** An error as the system throws it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: the disk says no`), { code })
}

/** A folder of the spool in memory that forgets on a crash what was not synced, and fails as the test wants. */
export class MemoryDisk implements SpoolFolder {
  readonly files = new Map<string, Content>()
  /** What an `unlink` took away that no sync of the folder has made certain. */
  readonly #unlinked = new Map<string, Content>()
  /** Throws to refuse a call; a promise lets it wait. */
  fault: (call: DiskCall) => Promise<void> | undefined = () => undefined
  openFiles = 0
  isDestroyed = false

  async #call(op: DiskCall['op'], name: string): Promise<void> {
    await this.fault({ op, name })
  }

  async create(name: string): Promise<SpoolFile> {
    await this.#call('create', name)
    if (this.files.has(name)) throw systemError('EEXIST')
    this.#unlinked.clear()
    const content = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) }
    this.files.set(name, content)
    return this.#handle(name, content)
  }

  async open(name: string): Promise<SpoolFile> {
    await this.#call('open', name)
    const content = this.files.get(name)
    if (!content) throw systemError('ENOENT')
    return this.#handle(name, content)
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#call('put', name)
    this.#unlinked.clear()
    this.set(name, bytes)
  }

  async get(name: string): Promise<Uint8Array> {
    await this.#call('get', name)
    const content = this.files.get(name)
    if (!content) throw systemError('ENOENT')
    return Buffer.from(content.bytes)
  }

  async list(): Promise<string[]> {
    await this.#call('list', '')
    return this.names
  }

  async remove(name: string): Promise<void> {
    await this.#call('remove', name)
    const content = this.files.get(name)
    if (content) this.#unlinked.set(name, content)
    this.files.delete(name)
  }

  async destroy(): Promise<void> {
    await this.#call('destroy', '')
    this.isDestroyed = true
    this.files.clear()
  }

  get names(): string[] {
    return [...this.files.keys()].toSorted()
  }

  get journals(): string[] {
    return this.names.filter((name) => name.endsWith('.jrn'))
  }

  bytesOf(name: string): Buffer {
    return this.files.get(name)!.bytes
  }

  set(name: string, bytes: Uint8Array): void {
    const content = Buffer.from(bytes)
    this.files.set(name, { bytes: content, synced: Buffer.from(content) })
  }

  copy(): MemoryDisk {
    const disk = new MemoryDisk()
    for (const [name, { bytes }] of this.files) disk.set(name, bytes)
    return disk
  }

  /** What the power leaves. `kept` (0…1): how much of what was not synced came through; `returns`: removed names come back. */
  afterCrash(kept: number, returns = false): MemoryDisk {
    const disk = new MemoryDisk()
    for (const [name, { bytes, synced }] of this.files) {
      // The bytes that were written over since the last sync may be the new ones; those behind it may be missing.
      const common = commonBytes(bytes, synced)
      const until = common + Math.floor((bytes.byteLength - common) * kept)
      disk.set(name, kept === 0 ? synced : bytes.subarray(0, Math.max(until, common)))
    }
    if (returns) for (const [name, { synced }] of this.#unlinked) disk.set(name, synced)
    return disk
  }

  #handle(name: string, content: Content): SpoolFile {
    this.openFiles++
    let isOpen = true
    const call = async (op: DiskCall['op']) => {
      if (!isOpen) throw systemError('EBADF')
      await this.#call(op, name)
    }
    return {
      write: async (pieces, offset) => {
        const bytes = Buffer.concat(pieces)
        try {
          await call('write')
        } catch (error) {
          // Half of it is there.
          write(content, bytes.subarray(0, bytes.byteLength >> 1), offset)
          throw error
        }
        write(content, bytes, offset)
      },
      sync: async () => {
        await call('sync')
        content.synced = Buffer.from(content.bytes)
      },
      read: async (offset, sizeBytes) => {
        await call('read')
        return Buffer.from(content.bytes.subarray(offset, offset + sizeBytes))
      },
      truncate: async (sizeBytes) => {
        await call('truncate')
        content.bytes = Buffer.from(content.bytes.subarray(0, sizeBytes))
      },
      size: async () => content.bytes.byteLength,
      close: async () => {
        if (!isOpen) throw systemError('EBADF')
        isOpen = false
        this.openFiles--
      },
    }
  }
}

function write(content: Content, bytes: Buffer, offset: number): void {
  const { byteLength } = content.bytes
  const whole = Buffer.alloc(Math.max(byteLength, offset + bytes.byteLength))
  whole.set(content.bytes)
  whole.set(bytes, offset)
  content.bytes = whole
}

function commonBytes(one: Buffer, other: Buffer): number {
  const most = Math.min(one.byteLength, other.byteLength)
  for (let at = 0; at < most; at++) if (one[at] !== other[at]) return at
  return most
}
