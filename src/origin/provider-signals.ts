import type { DeliveryKey } from '../domain/delivery-terms.ts'
import type { DrmSignalling } from '../domain/drm-signalling.ts'
import { signallingBytes } from '../domain/signalling-size.ts'
import { AppError } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import type { ListedWindow } from '../manifest/listed-window.ts'
import type { Track } from '../presentation/records.ts'
import type { PresentationView } from '../presentation/view.ts'
import type { Delivery, ProtectedDelivery } from './deliveries.ts'
import { type DeliveryKeys, findKeyOfTrack, keyRefOf, periodOf, type TrackKeyRef } from './delivery-keys.ts'

/** What is known of what providers want players to be told of a delivery's keys. */
export type ToldKeys = {
  /** Nothing, where the key is of no provider that says anything. @throws AppError `KEY_PROVIDER_DOWN` for what was not asked for in time */
  of(ref: TrackKeyRef): DrmSignalling
  /** Whether `of` would say. */
  knows(ref: TrackKeyRef): boolean
}

type Memo = {
  /** By KID, in the order in which it was found out. */
  readonly known: Map<string, DrmSignalling>
  /** Of what is known. */
  sizeBytes: number
  /** By the keys that it was done for: whose rows have been gone through. Another map once something is forgotten. */
  done: Map<string, ListedWindow>
  /** What comes next, and was asked for in vain, or is being asked for. */
  readonly tried: Map<string, 'under way' | 'failed'>
}

const NOTHING: DrmSignalling = []
/** For all manifests of a thread: the node has but some turns for all threads, and media needs its keys too. */
const AT_ONCE = 4
/** Of one delivery: 25 hours of a key that changes every 10 s, at 7 KB a period, which is more than providers say. */
const MAX_KNOWN_BYTES = 64 * 1_024 * 1_024
/** So much is left of it when something has to go, so that it isn't gone through for each period. */
const KEPT_BYTES = 48 * 1_024 * 1_024
/** Of one delivery: periods that a provider never had a key for. */
const MAX_TRIED = 1_000

/** Finds out what key providers want players to be told before manifests are written, which can't wait. */
export class ProviderSignals {
  readonly #keys: Pick<DeliveryKeys, 'told'>
  readonly #turns = new Turns(AT_ONCE)
  readonly #memos = new WeakMap<ProtectedDelivery, Memo>()

  constructor(keys: Pick<DeliveryKeys, 'told'>) {
    this.#keys = keys
  }

  /** What `prepare` has found out so far. */
  of(delivery: Delivery): ToldKeys {
    const known = (kid: string) => (isOfSamples(delivery) ? this.#memos.get(delivery)?.known.get(kid) : undefined)
    const isSilent = ({ contentKeyId }: TrackKeyRef) => !isOfSamples(delivery) || !isTold(delivery, contentKeyId)
    return {
      knows: (ref) => isSilent(ref) || known(ref.kid) !== undefined,
      of(ref) {
        const found = isSilent(ref) ? NOTHING : known(ref.kid)
        if (found) return found
        throw new AppError('KEY_PROVIDER_DOWN', `What players are to be told of the key ${ref.kid} is not known yet.`)
      },
    }
  }

  /**
   * Finds out what manifests of these segments may say, and of what is being written; `undefined`: there is nothing to be found out. What comes next is
   * found out where it can be: it is told ahead, and needed by nobody yet. What manifests have said longest ago is forgotten where it is too much.
   * @throws AppError `LIMIT_EXCEEDED` where a manifest would say more than 64 MB of keys; what asking for keys throws
   */
  prepare(delivery: Delivery, view: PresentationView, window: ListedWindow): Promise<void> | undefined {
    if (!isOfSamples(delivery)) return undefined
    if (!delivery.keys.some(({ signalling }) => signalling !== undefined)) return undefined
    return this.#prepare(delivery, view, window)
  }

  async #prepare(delivery: ProtectedDelivery, view: PresentationView, window: ListedWindow): Promise<void> {
    const memo = this.#memoOf(delivery)
    const { done: doneOf } = memo
    const keys = toldKeysOf(delivery, view)
    const name = keys.map(({ contentKeyId }) => contentKeyId).join()
    const wanted = new Map<string, TrackKeyRef>()
    const want = (ticks: number) => {
      for (const ref of refsAt(delivery, keys, ticks)) if (!memo.known.has(ref.kid)) wanted.set(ref.kid, ref)
    }
    const done = doneOf.get(name)
    let period = Number.NaN
    for (let sequence = window.first; sequence < window.end; sequence += 1) {
      if (done && sequence >= done.first && sequence < done.end) continue
      const row = view.segment(sequence)
      const own = row && periodOf(delivery, row.startTicks)
      if (!row || own === undefined || own === period) continue
      period = own
      want(row.startTicks)
    }
    const newest = view.live?.openSegment ?? view.segment(view.endSequence - 1)
    if (newest) want(newest.startTicks)
    await this.#ask(memo, [...wanted.values()])
    if (memo.sizeBytes > MAX_KNOWN_BYTES) makeRoom(memo, kidsOf(delivery, keys, view, window))
    else doneOf.set(name, joined(done, window))
    const { rotationPeriodMs } = delivery
    if (!newest || view.ended || rotationPeriodMs === undefined) return
    const next = refsAt(delivery, keys, newest.startTicks, rotationPeriodMs)
    await Promise.all(next.map((ref) => this.#tryNext(memo, ref)))
  }

  /** Waits for the first try alone: a provider that hangs must not hold up every manifest for what is not needed yet. */
  async #tryNext(memo: Memo, ref: TrackKeyRef): Promise<void> {
    const { kid } = ref
    const { known, tried } = memo
    const state = tried.get(kid)
    if (known.has(kid) || state === 'under way') return
    if (tried.size >= MAX_TRIED) tried.clear()
    tried.set(kid, 'under way')
    const asked = this.#keys.told(ref).then(
      (told) => keep(memo, kid, told),
      // It is in the log of the node, and told of as soon as it is needed.
      () => void tried.set(kid, 'failed'),
    )
    if (state === undefined) await asked
  }

  async #ask(memo: Memo, refs: readonly TrackKeyRef[]): Promise<void> {
    const before = memo.sizeBytes
    for (let at = 0; at < refs.length && memo.sizeBytes - before <= MAX_KNOWN_BYTES; at += AT_ONCE) {
      const some = refs.slice(at, at + AT_ONCE)
      const told = await Promise.all(some.map((ref) => this.#turns.run(() => this.#keys.told(ref))))
      for (const [index, { kid }] of some.entries()) keep(memo, kid, told[index] ?? NOTHING)
    }
  }

  #memoOf(delivery: ProtectedDelivery): Memo {
    const known = this.#memos.get(delivery)
    if (known) return known
    const memo: Memo = { known: new Map(), sizeBytes: 0, done: new Map(), tried: new Map() }
    this.#memos.set(delivery, memo)
    return memo
  }
}

function keep(memo: Memo, kid: string, told: DrmSignalling): void {
  memo.tried.delete(kid)
  if (memo.known.has(kid)) return
  memo.known.set(kid, told)
  memo.sizeBytes += signallingBytes(told)
}

/** Forgets the oldest that is not needed now. Rows of what is gone are gone through anew. @throws AppError `LIMIT_EXCEEDED` where that is not enough */
function makeRoom(memo: Memo, needed: ReadonlySet<string>): void {
  // Whoever goes through rows at the moment writes what has been done into a map that nobody reads any more.
  memo.done = new Map()
  const forget = (limitBytes: number, isKept: (kid: string) => boolean) => {
    for (const [kid, told] of memo.known) {
      if (memo.sizeBytes <= limitBytes) return
      if (isKept(kid)) continue
      memo.known.delete(kid)
      memo.sizeBytes -= signallingBytes(told)
    }
  }
  forget(KEPT_BYTES, (kid) => needed.has(kid))
  if (memo.sizeBytes <= MAX_KNOWN_BYTES) return
  forget(KEPT_BYTES, () => false)
  const detail =
    'The manifest would have more than 64 MB of what the key provider wants players to be told: ask for a shorter time of it, or let keys change less often.'
  throw new AppError('LIMIT_EXCEEDED', detail)
}

/** What a manifest of these segments says keys of. */
function kidsOf(
  delivery: ProtectedDelivery,
  keys: readonly DeliveryKey[],
  view: PresentationView,
  { first, end }: ListedWindow,
): ReadonlySet<string> {
  const newest = view.live?.openSegment ?? view.segment(view.endSequence - 1)
  const kids = new Set<string>()
  const add = (ticks: number) => {
    for (const { kid } of refsAt(delivery, keys, ticks)) kids.add(kid)
  }
  let period = Number.NaN
  for (let sequence = first; sequence < end; sequence += 1) {
    const row = view.segment(sequence)
    const own = row && periodOf(delivery, row.startTicks)
    if (!row || own === undefined || own === period) continue
    period = own
    add(row.startTicks)
  }
  if (newest) add(newest.startTicks)
  return kids
}

/** Systems have licences for samples; whoever gets whole segments gets the key itself. */
function isOfSamples(delivery: Delivery): delivery is ProtectedDelivery {
  return delivery.protection === 'cenc' || delivery.protection === 'cbcs'
}

/** The keys of the view's tracks of which there is something to be told. */
function toldKeysOf(delivery: ProtectedDelivery, { renditions }: PresentationView): readonly DeliveryKey[] {
  const tracks = renditions.flatMap(({ tracks: all }): readonly Track[] => all)
  const keys = new Set(tracks.map((track) => findKeyOfTrack(delivery, track)))
  return [...keys].filter((key) => key?.signalling !== undefined) as DeliveryKey[]
}

function refsAt(
  delivery: ProtectedDelivery,
  keys: readonly DeliveryKey[],
  rowStartTicks: number,
  laterMs = 0,
): readonly TrackKeyRef[] {
  const periodMs = periodOf(delivery, rowStartTicks) + laterMs
  // Of media that begins at 0 a key that rotates has none; that is said where it is asked for.
  const having = keys.filter(({ rotating }) => !rotating || periodMs > 0)
  return having.map(({ contentKeyId, rotating }) => keyRefOf(contentKeyId, rotating ? periodMs : undefined))
}

function isTold({ keys }: ProtectedDelivery, contentKeyId: string): boolean {
  return keys.some((key) => key.contentKeyId === contentKeyId && key.signalling !== undefined)
}

/** Windows that touch are one; of others the later holds. */
function joined(done: ListedWindow | undefined, window: ListedWindow): ListedWindow {
  if (!done || window.end < done.first || window.first > done.end) return window
  return { first: Math.min(done.first, window.first), end: Math.max(done.end, window.end) }
}
