import { timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { Secret } from '../config/scalars.ts'
import type { PublishGate, PublishRequest, PublishVerdict, SessionHandle } from '../ingest/ports.ts'
import type { Logger } from '../lib/logger.ts'
import type { ChannelHost } from './channel-host.ts'

/** Who may publish to what: the stream key names the channel, its allow list says from where. */
export class ChannelGate implements PublishGate {
  readonly #hosts: () => Iterable<ChannelHost>
  readonly #logger: Logger

  constructor(hosts: () => Iterable<ChannelHost>, logger: Logger) {
    this.#hosts = hosts
    this.#logger = logger
  }

  async authorise(request: PublishRequest, session: SessionHandle): Promise<PublishVerdict> {
    const { sessionId, layer, remoteAddress, encoder, enhanced, secure } = request
    const logger = this.#logger.child({ session: sessionId, remoteAddress, layer })
    const verdict = await this.#judge(request, session)
    if (verdict.accepted) logger.info({ encoder, enhanced, secure, channel: verdict.channel }, 'encoder connected')
    else logger.warn({ encoder, reason: verdict.reason }, 'encoder refused')
    return verdict
  }

  async #judge(request: PublishRequest, session: SessionHandle): Promise<PublishVerdict & { channel?: string }> {
    const host = this.#find(request.key)
    if (!host) return refuse('unknown-key', 'The stream key is not known here.')
    if (!isAllowed(host.allowIp, request.remoteAddress)) {
      return refuse('address-not-allowed', `Publishing from ${request.remoteAddress} is not allowed.`)
    }
    const publisher = { id: request.sessionId, layer: request.layer, end: (reason: string) => session.end(reason) }
    const admission = await host.admit(publisher)
    return admission.accepted ? { ...admission, channel: host.name } : admission
  }

  /** Compares with every key in the same time, so that an answer's delay tells nothing about a key. */
  #find(key: string): ChannelHost | undefined {
    let found: ChannelHost | undefined
    for (const host of this.#hosts()) if (equalSecrets(host.streamKey, key)) found = host
    return found
  }
}

function refuse(reason: 'unknown-key' | 'address-not-allowed', description: string): PublishVerdict {
  return { accepted: false, reason, description }
}

function equalSecrets(secret: Secret, given: string): boolean {
  const wanted = Buffer.from(secret.reveal())
  const offered = Buffer.from(given)
  return wanted.byteLength === offered.byteLength && timingSafeEqual(wanted, offered)
}

/** A list that is set and empty admits nobody; none at all admits anybody. */
function isAllowed(list: readonly string[] | undefined, address: string): boolean {
  if (!list) return true
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  const blocks = new BlockList()
  for (const entry of list) {
    const [network = '', prefix] = entry.split('/')
    const family = isIPv6(network) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) blocks.addAddress(network, family)
    else blocks.addSubnet(network, Number(prefix), family)
  }
  return blocks.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
}
