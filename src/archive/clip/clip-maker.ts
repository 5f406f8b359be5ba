import { type Asset, assetMachine } from '../../domain/asset.ts'
import { ChangeSet } from '../../domain/change-set.ts'
import { CLIP_ACTION, type ClipOrigin, clipTime } from '../../domain/clip.ts'
import { formatDuration } from '../../domain/duration.ts'
import { SYSTEM_ACCOUNT } from '../../domain/kinds.ts'
import { announceMove, withOutcome } from '../../domain/lifecycle.ts'
import { isOperationDone, type Operation } from '../../domain/operation.ts'
import { explain } from '../../domain/problem.ts'
import type { Repository } from '../../domain/repository.ts'
import { formatTimestamp } from '../../domain/scalars.ts'
import { transition } from '../../domain/state-machine.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import { AppError, messageOf } from '../../lib/errors.ts'
import { STATUS_CODES } from '../../lib/http.ts'
import type { Logger } from '../../lib/logger.ts'
import { Turns } from '../../lib/turns.ts'
import type { PresentationView } from '../../presentation/view.ts'
import type { PictureEncoder } from './clip-edges.ts'
import { type Clip, type ClipOptions, type ClipSource, type ClipTarget, makeClip } from './make-clip.ts'

/** What clips are made with. */
export type ClipMakerPorts = {
  readonly repository: Repository
  /** The recording of an asset, running or over; `undefined`: it has none. */
  readonly source: (asset: Asset) => Promise<ClipSource | undefined>
  /** Where the clip of a recording goes. */
  readonly target: (clip: Asset, source: Asset) => Promise<ClipTarget>
  /** What an asset says of a presentation. */
  readonly describe: (view: PresentationView) => { readonly tracks: Asset['tracks']; readonly durationMs: number }
  /** For ends that are exact to the frame. */
  readonly encode: PictureEncoder
  readonly clock: Clock
  readonly logger: Logger
}

const AT_ONCE = 2
const LOOK_MS = 30_000
const ATTEMPTS = 5
const FIRST_RETRY_MS = 1_000

/**
 * Carries out the operations by which clips are made: those that `nudge` tells of, and, at the start and every half minute, those that
 * a crash or a store that was down has left. A storage that is away for a while is tried again; any other failure ends the
 * operation, and the asset is Failed.
 */
export class ClipMaker {
  readonly #ports: ClipMakerPorts
  readonly #turns = new Turns(AT_ONCE)
  readonly #stopping = new AbortController()
  /** By operation. */
  readonly #working = new Map<string, Promise<void>>()
  #timer: Timer | undefined
  #look: Promise<void> = Promise.resolve()

  constructor(ports: ClipMakerPorts) {
    this.#ports = ports
  }

  /** Takes up what an earlier run has left; doesn't wait for it. */
  start(): void {
    this.#timer = this.#ports.clock.every(LOOK_MS, () => this.#lookAgain())
    this.#lookAgain()
  }

  /** An operation was committed. */
  nudge(operation: Operation): void {
    if (this.#stopping.signal.aborted || this.#working.has(operation.id)) return
    const working = this.#turns
      .run(() => this.#carryOut(operation), { signal: this.#stopping.signal })
      .catch((error: unknown) => this.#putOff(operation, error))
      .finally(() => this.#working.delete(operation.id))
    this.#working.set(operation.id, working)
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#look
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  /** What is under way is given up, for the next run to begin again. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stopping.abort(new AppError('STOPPED', 'Clips are made no more.'))
    await this.idle()
  }

  #lookAgain(): void {
    this.#look = this.#look
      .then(() => this.#takeUp())
      .catch((error: unknown) => {
        const { logger } = this.#ports
        if (!this.#stopping.signal.aborted) logger.warn({ err: error }, `clips put off: ${messageOf(error)}`)
      })
  }

  async #takeUp(): Promise<void> {
    const { repository } = this.#ports
    for await (const { id } of repository.each('account', { accountId: SYSTEM_ACCOUNT })) {
      for await (const operation of repository.each('operation', { accountId: id })) {
        if (this.#stopping.signal.aborted) return
        if (operation.action === CLIP_ACTION && !isOperationDone(operation)) this.nudge(operation)
      }
    }
  }

  #putOff(operation: Operation, error: unknown): void {
    if (this.#stopping.signal.aborted) return
    // The store doesn't take it: the next look finds the operation as it was.
    this.#ports.logger.warn({ err: error, operation: operation.id }, `a clip was put off: ${messageOf(error)}`)
  }

  async #carryOut(operation: Operation): Promise<void> {
    const { repository } = this.#ports
    const asset = await repository.findAnywhere('asset', operation.subject.id as Asset['id'])
    if (!asset?.clip || asset.state !== 'Recording') {
      return this.#end(operation.id, undefined, new AppError('STATE_CONFLICT', 'The asset was deleted, or is no clip.'))
    }
    const made = await this.#try(asset, asset.clip)
    await this.#end(operation.id, asset, made)
  }

  /** A clip, or why there is none. @throws the signal's reason */
  async #try(asset: Asset, origin: ClipOrigin): Promise<Clip | Error> {
    const { clock, logger } = this.#ports
    const { signal } = this.#stopping
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#make(asset, origin)
      } catch (error) {
        signal.throwIfAborted()
        logger.warn({ err: error, asset: asset.id, attempt }, `a clip could not be made: ${messageOf(error)}`)
        const mayPass = error instanceof AppError && error.kind === 'unavailable'
        if (!mayPass || attempt === ATTEMPTS) return error instanceof Error ? error : new Error(messageOf(error))
        await clock.sleep(FIRST_RETRY_MS * 2 ** attempt, signal)
      }
    }
  }

  async #make(asset: Asset, { assetId, from, to, exact }: ClipOrigin): Promise<Clip> {
    const { repository, source, target, encode, clock } = this.#ports
    const original = await repository.find('asset', assetId, asset.accountId)
    const recording = original && (await source(original))
    if (!original || !recording) throw new AppError('CLIP_EMPTY', 'The recording is gone, or there is nothing in it.')
    const range = { from: clipTime(from), ...(to !== undefined && { to: clipTime(to) }) }
    const options: ClipOptions = exact === 'frame' ? { range, exact, encode } : { range, exact }
    return makeClip(recording, await target(asset, original), options, clock, this.#stopping.signal)
  }

  /** Both in one transaction; somebody who wrote in between has it tried again. */
  async #end(operationId: string, clip: Asset | undefined, made: Clip | Error): Promise<void> {
    const { repository, clock, describe } = this.#ports
    for (let attempt = 1; ; attempt++) {
      const operation = await repository.findAnywhere('operation', operationId as Operation['id'])
      const asset = clip && (await repository.findAnywhere('asset', clip.id))
      if (!operation || isOperationDone(operation)) return
      const changes = new ChangeSet()
      const nowMs = clock.now()
      const failure = made instanceof Error ? made : undefined
      changes.update('operation', withOutcome(operation, nowMs, failure && problemOf(failure)))
      if (asset?.state === 'Recording') {
        const media = made instanceof Error ? undefined : describe(made.presentation)
        putEnd(changes, asset, operation, media ?? (made as Error), nowMs)
      }
      try {
        await repository.commit(changes)
        return
      } catch (error) {
        const isRace =
          error instanceof AppError && (error.code === 'ETAG_MISMATCH' || error.code === 'ENTITY_NOT_FOUND')
        if (!isRace || attempt === ATTEMPTS) throw error
      }
    }
  }
}

type Described = ReturnType<ClipMakerPorts['describe']>

function putEnd(changes: ChangeSet, asset: Asset, operation: Operation, end: Described | Error, nowMs: number): void {
  const isFailure = end instanceof Error
  const state = transition(assetMachine, asset.state, isFailure ? 'failed' : 'completed') as 'Ready' | 'Failed'
  const { code, detail } = explain(isFailure ? end : undefined)
  const told = isFailure ? { error: { code, detail } } : {}
  const next = isFailure
    ? { ...asset, state, lastError: { code, detail, time: formatTimestamp(nowMs) } }
    : { ...asset, state, tracks: end.tracks, duration: formatDuration(end.durationMs) }
  changes.update('asset', next)
  const reason = isFailure ? 'failed' : 'completed'
  announceMove(changes, 'asset', asset, state, { reason, operationId: operation.id, ...told }, nowMs)
}

function problemOf(error: Error) {
  const { code, detail, status } = explain(error)
  const type = code === 'INTERNAL' ? 'about:blank' : `urn:headend:problem:${code.toLowerCase().replaceAll('_', '-')}`
  return { type, title: STATUS_CODES[status] ?? 'Error', status, detail, code }
}
