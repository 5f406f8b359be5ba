import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Clock, Timer } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { Stoppable } from '../lib/scope.ts'

/** A certificate chain and its private key, both PEM. */
export type TlsMaterial = { readonly cert: string; readonly key: string }

/** Renewal tools write two files one after the other: the pair is read when both have rested this long. */
const SETTLE_MS = 500

/** Reads the certificate and its key, and reads them again when the files change. */
export class TlsFiles implements Stoppable {
  readonly #files: { readonly certFile: string; readonly keyFile: string }
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #watchers: FSWatcher[] = []
  readonly #listeners: ((material: TlsMaterial) => void)[] = []
  #current: TlsMaterial
  #timer: Timer | undefined

  /** @throws AppError `TLS_UNREADABLE` where the pair can't be read or doesn't fit together. */
  constructor(files: { readonly certFile: string; readonly keyFile: string }, clock: Clock, logger: Logger) {
    this.#files = files
    this.#clock = clock
    this.#logger = logger
    this.#current = readPair(files)
    // The folders, not the files: renewal usually replaces a file or a link, and a watch on the old one would sleep on.
    for (const folder of new Set([dirname(files.certFile), dirname(files.keyFile)])) {
      const watcher = watch(folder, () => this.#changed())
      watcher.on('error', (error) => logger.error({ folder, error: messageOf(error) }, 'certificate no longer watched'))
      this.#watchers.push(watcher)
    }
  }

  get current(): TlsMaterial {
    return this.#current
  }

  /** Calls `use` with each new pair. */
  onChange(use: (material: TlsMaterial) => void): void {
    this.#listeners.push(use)
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    for (const watcher of this.#watchers) watcher.close()
  }

  #changed(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(SETTLE_MS, () => this.#reload())
  }

  #reload(): void {
    try {
      const next = readPair(this.#files)
      if (next.cert === this.#current.cert && next.key === this.#current.key) return
      this.#current = next
      for (const use of this.#listeners) use(next)
      this.#logger.info({ certFile: this.#files.certFile }, 'certificate reloaded')
    } catch (error) {
      this.#logger.error({ error: messageOf(error) }, 'certificate not reloaded; the one before stays in use')
    }
  }
}

function readPair(files: { readonly certFile: string; readonly keyFile: string }): TlsMaterial {
  try {
    const pair = { cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }
    createSecureContext(pair)
    return pair
  } catch (cause) {
    throw new AppError('TLS_UNREADABLE', `the certificate can't be used: ${messageOf(cause)}`, { cause })
  }
}
