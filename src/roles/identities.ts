import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { Secret } from '../config/scalars.ts'
import type { ChannelConfig, ProgramConfig } from '../config/schema.ts'
import { AppError } from '../lib/errors.ts'
import type { DataDir } from './data-dir.ts'

const FILE = 'identities.json'

const storedSchema = z.object({
  channels: z.record(z.string(), z.object({ streamKey: z.string() })),
  programs: z.record(z.string(), z.object({ locatorId: z.string(), presentationId: z.string(), epoch: z.string() })),
})

type Stored = z.infer<typeof storedSchema>

/** What names a program's presentation to the world and never changes. */
export type ProgramIdentity = Stored['programs'][string]

/**
 * Stream keys, locator ids and presentation ids: made once, kept in the data folder, so that the encoder's settings and the
 * published URLs survive a restart. What the configuration states itself goes before what was made.
 */
export class Identities {
  readonly #dataDir: DataDir
  readonly #stored: Stored

  constructor(dataDir: DataDir) {
    this.#dataDir = dataDir
    const found = storedSchema.safeParse(dataDir.readJson(FILE) ?? { channels: {}, programs: {} })
    if (!found.success) {
      throw new AppError('STATE_UNWRITABLE', `${FILE} in the data folder is damaged: ${z.prettifyError(found.error)}`)
    }
    this.#stored = found.data
  }

  streamKey(channel: ChannelConfig): Secret {
    if (channel.streamKey) return channel.streamKey
    const made = own(this.#stored.channels, channel.name, () => ({ streamKey: randomBytes(18).toString('base64url') }))
    return new Secret(made.streamKey)
  }

  program(program: ProgramConfig): ProgramIdentity {
    const made = own(this.#stored.programs, program.name, () => ({
      locatorId: randomUUID(),
      presentationId: randomUUID(),
      epoch: randomBytes(6).toString('base64url'),
    }))
    return { ...made, locatorId: program.locatorId ?? made.locatorId }
  }

  /** Sets down what was made. Call it before anything is published under it. */
  save(): Promise<void> {
    return this.#dataDir.writeJson(FILE, this.#stored)
  }
}

/** The entry of that name, made if need be. A channel may be called `constructor`: what every object inherits is no entry. */
function own<T>(entries: Record<string, T>, name: string, make: () => T): T {
  const found = Object.hasOwn(entries, name) ? entries[name] : undefined
  if (found !== undefined) return found
  const made = make()
  entries[name] = made
  return made
}
