import type { Config } from '../config/schema.ts'
import type { Asset } from '../domain/asset.ts'
import type { ContentKey } from '../domain/content-key.ts'
import { isPredefinedPolicy } from '../domain/delivery-policy.ts'
import { durationMs } from '../domain/duration.ts'
import { newEvent } from '../domain/events.ts'
import { keyOfKeyId } from '../domain/key-id.ts'
import type { Id } from '../domain/kinds.ts'
import type { DeliveryReport } from '../keys/delivery-reports.ts'
import type { KeyGrant } from '../keys/grant-cache.ts'
import type { KeyPeriod } from '../keys/key-provider.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Scope } from '../lib/scope.ts'
import { inTime } from '../lib/time-limit.ts'
import { Turns } from '../lib/turns.ts'
import type { ControlPlane } from './control-plane.ts'
import type { House } from './house.ts'
import type { HouseDesk } from './house-calls.ts'
import { encodeGrant } from './key-grants.ts'
import type { OriginKeyOptions } from './origin-messages.ts'

type BureauPorts = Pick<House, 'clock' | 'directory' | 'logger'> &
  Pick<ControlPlane, 'repository' | 'contentKeys' | 'recorder'>

/** For so many periods a provider is asked at a time, and so many more wait for their turn. */
const PERIODS_AT_ONCE = 8
const MAX_WAITING = 32
/** By so much at most media is older than its asset: programs are begun in what their channel has at hand, and clocks differ. */
const MEDIA_LEAD_MS = 86_400_000

/** So many clips of clips are followed to what they were cut from. */
const MAX_CLIPS = 64
/** What says which keys there are, and who gets them: of periods that is also how their assets are delivered. */
const keyKinds: ReadonlySet<string> = new Set([
  'content-key',
  'key-authorization-policy',
  'asset',
  'locator',
  'delivery-policy',
])

function tooMany(): AppError {
  return new AppError('KEY_PROVIDER_DOWN', 'Too many periods are being asked for at once: try again.')
}

/** What origin threads ask the node about content keys, and what they tell it of their delivery. */
export class KeyBureau {
  readonly #ports: BureauPorts
  #complaint: string | undefined
  readonly #stopping = new AbortController()
  readonly #asking = new Turns(PERIODS_AT_ONCE, { maxWaiting: MAX_WAITING, refusal: () => tooMany() })

  constructor(ports: BureauPorts) {
    this.#ports = ports
  }

  /** Ends what is being asked of key providers. */
  stop(): void {
    this.#stopping.abort(new AppError('STOPPED', 'The node is being stopped.'))
  }

  /** The desk that threads ask, with what this one answers. */
  deskWith(desk: HouseDesk): HouseDesk {
    return {
      spooled: (...asked) => desk.spooled(...asked),
      wake: (locatorId) => desk.wake(locatorId),
      brokenText: (text) => desk.brokenText?.(text),
      contentKey: (keyId) => this.#contentKey(keyId),
      keyReports: async (reports) => this.#record(reports),
    }
  }

  async #contentKey(keyId: string): Promise<readonly Uint8Array[] | undefined> {
    try {
      const grant = await this.#grantOf(keyId)
      this.#complaint = undefined
      return grant && encodeGrant(grant)
    } catch (error) {
      // A crowd that asks while the store is down would fill the log.
      const message = messageOf(error)
      if (message !== this.#complaint) this.#ports.logger.warn({ error: message }, 'content keys can not be had')
      this.#complaint = message
      throw error
    }
  }

  /** What is stored as a key of storage opens what is stored, and is nobody's to get. */
  async #grantOf(kid: string): Promise<KeyGrant | undefined> {
    const { contentKeys, repository } = this.#ports
    const { keyId, startMs } = keyOfKeyId(kid)
    const key = await repository.findAnywhere('content-key', keyId)
    if (!key || key.kind === 'storage') return undefined
    const { accountId, keyAuthorizationPolicyId, rotating, source } = key
    const isPeriod = startMs !== undefined && startMs > 0
    const period = isPeriod ? await this.#periodOf(key, kid, startMs) : undefined
    // A period that no policy knows is nobody's: a provider is asked for what is encrypted with, not for what somebody thinks of.
    if (isPeriod && !period) return undefined
    const policy = keyAuthorizationPolicyId
      ? await repository.find('key-authorization-policy', keyAuthorizationPolicyId, accountId)
      : undefined
    const { signal } = this.#stopping
    const ask = (wanted: KeyPeriod) => this.#asking.run(() => contentKeys.periodKey(key, wanted, signal), { signal })
    const provided = period && (await ask(period))
    const bytes = provided?.value ?? (await contentKeys.open(key))
    const signalling = provided?.signalling ?? key.signalling
    const assets = await repository.referring('asset', accountId, { relation: 'contentKey', id: keyId })
    const [asset, another] = assets
    const assetId = another ? undefined : asset?.id
    return {
      keyId,
      accountId,
      rotating,
      material: { source, bytes },
      signalling,
      assetId,
      options: policy?.options ?? [],
    }
  }

  /** Of a key whose periods' keys a provider gives: by the rotation of the policies that its assets are delivered by. */
  async #periodOf(key: ContentKey, kid: string, startMs: number): Promise<KeyPeriod | undefined> {
    if (key.source !== 'provider') return undefined
    const { repository } = this.#ports
    const { id, accountId } = key
    for (const asset of await repository.referring('asset', accountId, { relation: 'contentKey', id })) {
      const sinceMs = await this.#mediaSince(asset)
      const locators = await repository.referring('locator', accountId, { relation: 'asset', id: asset.id })
      const policies = new Set([asset, ...locators].map(({ deliveryPolicyId }) => deliveryPolicyId))
      for (const policyId of policies) {
        if (policyId === undefined || isPredefinedPolicy(policyId)) continue
        const { keyRotationPeriod } = (await repository.find('delivery-policy', policyId, accountId)) ?? {}
        const periodMs = keyRotationPeriod === undefined ? 0 : durationMs(keyRotationPeriod)
        const isOfMedia = periodMs > 0 && startMs % periodMs === 0 && startMs + periodMs >= sinceMs
        if (isOfMedia) return { kid: kid.toLowerCase(), startMs, periodMs }
      }
    }
    return undefined
  }

  /** Since when an asset may have media that periods count: nobody has been encrypting before, and a provider isn't asked for it. */
  async #mediaSince(asset: Asset): Promise<number> {
    // A clip has the times of what it was cut from, which is older, and may be a clip itself.
    let oldest = asset
    for (let clips = 0; oldest.clip; clips++) {
      const source = await this.#ports.repository.find('asset', oldest.clip.assetId, asset.accountId)
      if (!source || clips === MAX_CLIPS) return 0
      oldest = source
    }
    return Date.parse(oldest.created) - MEDIA_LEAD_MS
  }

  #record(reports: readonly DeliveryReport[]): void {
    const { clock, recorder } = this.#ports
    for (const report of reports) {
      const { accountId, keyId: id, delivery, count } = report
      const about = { accountId: accountId as Id<'account'>, id }
      if (report.kind === 'delivered') {
        recorder.record(newEvent('content-key.delivered', about, { delivery, count }, clock.now()))
        continue
      }
      const { address, reason } = report
      recorder.record(
        newEvent('content-key.delivery-refused', about, { delivery, reason, address, count }, clock.now()),
      )
    }
  }
}

/** Begins to tell origin threads of what other nodes write of keys; the scope's to stop. */
export function openKeyBureau(
  { clock, directory, logger }: House,
  { repository, contentKeys, changes, recorder }: ControlPlane,
  scope: Scope,
): KeyBureau {
  const end = changes.onChange((list) => {
    const accounts = list.filter(({ kind }) => keyKinds.has(kind)).map(({ accountId }) => accountId)
    for (const accountId of new Set(accounts)) void directory.keysChanged(accountId)
  })
  const endReset = changes.onReset(() => void directory.keysChanged())
  scope.add('key changes', () => {
    end()
    endReset()
  })
  const bureau = new KeyBureau({ clock, directory, logger, repository, contentKeys, recorder })
  scope.add('key bureau', () => bureau.stop())
  return bureau
}

/** How long origin threads may take to say that they have heard. */
const THREADS_LIMIT_MS = 5_000

/** How the API makes what it wrote hold at once. */
export function keyDoorsOf({ clock, directory }: Pick<House, 'clock' | 'directory'>) {
  return {
    /** @throws AppError `PART_UNRESPONSIVE` where a thread does not say in time that it has heard */
    changed(accountId: string): Promise<void> {
      const late = 'A streaming thread has not confirmed what has changed of keys.'
      return inTime(clock, THREADS_LIMIT_MS, late, directory.keysChanged(accountId))
    },
  }
}

/** What the configuration says of key delivery, as an origin thread is told it. */
export function originKeyOptions(config: Config['keys']): OriginKeyOptions {
  return {
    skewMs: config.clockSkew,
    issuerTimeoutMs: config.issuerTimeout,
    issuerFreshMs: config.issuerCache,
    allowPrivateIssuers: config.allowPrivateIssuers,
    licenceTimeoutMs: config.licenceTimeout,
    allowPrivateLicenceServers: config.allowPrivateLicenceServers,
    ...(config.publicUrl !== undefined && { publicUrl: config.publicUrl }),
    requests: { count: config.requests.perAddress, windowMs: config.requests.window },
  }
}
