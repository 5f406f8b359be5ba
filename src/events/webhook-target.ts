import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isPublicAddress } from '../domain/public-address.ts'
import { AppError } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'

/** An address of a host. */
export type TargetAddress = { readonly address: string; readonly family: 4 | 6 }

/** Every address of a host name. @throws anything where there is none */
export type ResolveName = (hostname: string) => Promise<readonly TargetAddress[]>

/** As the machine's own programs resolve names: hosts file, search domains, DNS. */
const systemResolve: ResolveName = async (hostname) => {
  const found = await lookup(hostname, { all: true, order: 'verbatim' })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}

/** The system resolves names in the threads that also read and write files: slow name servers may hold two of the four. */
const LOOKUPS_AT_ONCE = 2

/** Finds where a webhook is to be posted, and refuses what is not a public address. */
export class WebhookTargets {
  readonly #allowPrivate: boolean
  readonly #resolve: ResolveName
  readonly #slots = new Turns(LOOKUPS_AT_ONCE)
  readonly #underWay = new Map<string, Promise<readonly TargetAddress[]>>()

  constructor(options: { readonly allowPrivate: boolean; readonly resolve?: ResolveName }) {
    this.#allowPrivate = options.allowPrivate
    this.#resolve = options.resolve ?? systemResolve
  }

  /**
   * The addresses of a URL's host, to connect to exactly these. A name with one address that is not public is refused
   * whatever its others are.
   *
   * @throws AppError `TARGET_REFUSED`; what the resolver throws; the signal's reason
   */
  async addresses(url: URL, signal: AbortSignal): Promise<readonly TargetAddress[]> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const version = isIP(host)
    const found =
      version === 0 ? await this.#lookUp(host, signal) : [{ address: host, family: version === 6 ? 6 : 4 } as const]
    const refused = this.#allowPrivate ? undefined : found.find(({ address }) => !isPublicAddress(address))
    if (!refused) return found
    const what = version === 0 ? `${host} resolves to ${refused.address}, which` : host
    throw new AppError('TARGET_REFUSED', `${what} is not a public address; the configuration does not allow others.`)
  }

  /** One look-up of a name at a time, which who waits for may leave; it can't be called back itself. */
  #lookUp(host: string, signal: AbortSignal): Promise<readonly TargetAddress[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly TargetAddress[]>()
    const leave = () => reject(signal.reason)
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    const shared = this.#underWay.get(host) ?? this.#begin(host)
    shared.then(resolve, reject)
    return promise.finally(() => signal.removeEventListener('abort', leave))
  }

  #begin(host: string): Promise<readonly TargetAddress[]> {
    const work = this.#slots.run(() => this.#resolve(host))
    const shared = work.finally(() => this.#underWay.delete(host))
    this.#underWay.set(host, shared)
    return shared
  }
}
