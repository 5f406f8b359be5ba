import type { LicenceServer } from '../domain/licence-server.ts'
import { expandTemplate, type LicenceValues, licenceUrl } from '../domain/licence-template.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, messageOf } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import { timeLimit } from '../lib/time-limit.ts'

/** What is sent to a licence server. */
export type LicencePost = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What it answers. */
export type LicenceReply = {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: Uint8Array
}

/**
 * Posts to addresses that may be asked, following no redirect, and gives an answer of at most `maxBytes`, whatever its status. Rejects for
 * anything else, and with the signal's reason.
 */
export type PostLicence = (
  post: LicencePost,
  limits: { readonly maxBytes: number; readonly signal: AbortSignal },
) => Promise<LicenceReply>

/** What passing challenges on needs. */
export type LicenceProxyPorts = {
  readonly post: PostLicence
  readonly clock: Clock
  readonly logger: Logger
  readonly timeoutMs: number
}

/** A player's challenge, as it came. */
export type Challenge = {
  readonly body: Uint8Array
  readonly contentType: string | undefined
  readonly soapAction?: string
}

/** What became of it. */
export type LicenceOutcome =
  | { readonly outcome: 'licence'; readonly contentType: string; readonly body: Uint8Array }
  | {
      readonly outcome: 'refused'
      readonly reason: 'licence-refused' | 'licence-server-down' | 'licence-server-late' | 'unavailable'
    }

/** How long a challenge may be, and a licence. */
export const MAX_CHALLENGE_BYTES = 65_536
const MAX_LICENCE_BYTES = 262_144
/** Beyond them players are told to come again: a licence server that hangs must not use up the thread's connections. */
const MAX_UNDER_WAY = 256
/** Half of them: one that hangs leaves room for the others. */
const MAX_OF_HOST = 128
/** The same failure of the same server is in the log once in so long. */
const TOLD_AGAIN_MS = 10_000
const MAX_TOLD = 100

/** Passes players' challenges on to outside licence servers. Whether a player may is for others to see to, before. */
export class LicenceProxy {
  readonly #ports: LicenceProxyPorts
  readonly #stopping = new AbortController()
  readonly #underWay = new Set<Promise<LicenceOutcome>>()
  /** How many of them are at a server. */
  readonly #ofHost = new Map<string, number>()
  /** When a failure was told, oldest first. */
  readonly #told = new Map<string, number>()

  constructor(ports: LicenceProxyPorts) {
    this.#ports = ports
  }

  /** Never rejects. */
  async licence(server: LicenceServer, values: LicenceValues, challenge: Challenge): Promise<LicenceOutcome> {
    const host = hostOf(server)
    const many = this.#ofHost.get(host) ?? 0
    if (this.#underWay.size >= MAX_UNDER_WAY || many >= MAX_OF_HOST)
      return { outcome: 'refused', reason: 'unavailable' }
    this.#ofHost.set(host, many + 1)
    const asked = this.#ask(server, values, challenge)
    this.#underWay.add(asked)
    return asked.finally(() => {
      this.#underWay.delete(asked)
      const left = (this.#ofHost.get(host) ?? 1) - 1
      if (left > 0) this.#ofHost.set(host, left)
      else this.#ofHost.delete(host)
    })
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('STOPPED', 'The node is being stopped.'))
    await Promise.all(this.#underWay)
  }

  async #ask(server: LicenceServer, values: LicenceValues, challenge: Challenge): Promise<LicenceOutcome> {
    const { clock, post, timeoutMs } = this.#ports
    const time = timeLimit(clock, timeoutMs, this.#stopping.signal)
    const limits = { maxBytes: MAX_LICENCE_BYTES, signal: time.signal }
    try {
      const url = licenceUrl(server.url, values)
      const { status, contentType, body } = await post(
        { url, headers: headersOf(server, values, challenge), body: challenge.body },
        limits,
      )
      if (status >= 200 && status < 300) {
        return { outcome: 'licence', contentType: typeOf(contentType), body }
      }
      this.#tell(server, `it answers ${status}`)
      // What it says of the player is the player's to hear; what is wrong with the server, or with how we ask, isn't.
      return { outcome: 'refused', reason: status >= 400 && status < 500 ? 'licence-refused' : 'licence-server-down' }
    } catch (error) {
      if (time.isOver) {
        this.#tell(server, `it did not answer within ${timeoutMs} ms`)
        return { outcome: 'refused', reason: 'licence-server-late' }
      }
      if (!this.#stopping.signal.aborted) this.#tell(server, messageOf(error))
      return { outcome: 'refused', reason: 'licence-server-down' }
    } finally {
      time.end()
    }
  }

  /** The host alone: paths and queries hold customers' names, and tokens. */
  #tell(server: LicenceServer, problem: string): void {
    const { clock, logger } = this.#ports
    const nowMs = clock.monotonicMs()
    for (const [known, againMs] of this.#told) {
      if (againMs > nowMs) break
      this.#told.delete(known)
    }
    const host = hostOf(server)
    const which = `${host} ${problem}`
    if (this.#told.has(which) || this.#told.size >= MAX_TOLD) return
    this.#told.set(which, nowMs + TOLD_AGAIN_MS)
    logger.warn({ licenceServer: host, problem }, 'a licence server gives no licence')
  }
}

/** With the scheme, as it stands in the policy: no variable can stand there. */
function hostOf({ url }: LicenceServer): string {
  return /^https?:\/\/[^/?#]*/i.exec(url)?.[0].toLowerCase() ?? ''
}

function headersOf(server: LicenceServer, values: LicenceValues, challenge: Challenge): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': typeOf(challenge.contentType), 'User-Agent': 'Headend' }
  if (challenge.soapAction !== undefined) headers['SOAPAction'] = challenge.soapAction
  for (const { name, value } of server.headers) headers[name] = expandTemplate(value, values, inHeader)
  if (server.customData) {
    const { header, fields } = server.customData
    const data = Object.entries(fields).map(([name, value]) => [name, expandTemplate(value, values)] as const)
    headers[header] = Buffer.from(JSON.stringify(Object.fromEntries(data))).toString('base64')
  }
  return headers
}

/** Nothing that would end a header and begin another. */
function inHeader(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '')
}

/** A type as it may stand in a header; players go by the bytes, not by it. */
function typeOf(contentType: string | undefined): string {
  return contentType !== undefined && /^[\x20-\x7e]{3,128}$/.test(contentType)
    ? contentType
    : 'application/octet-stream'
}
