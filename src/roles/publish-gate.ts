import { timingSafeEqual } from 'node:crypto'
import { BlockList, isIPv6 } from 'node:net'
import type { Secret } from '../config/scalars.ts'
import type { PublishGate, PublishRequest, PublishVerdict, SessionHandle } from '../ingest/ports.ts'
import type { ChannelHost } from './channel-host.ts'

/** What the gate needs of a channel. */
export type PublishTarget = Pick<ChannelHost, 'name' | 'streamKey' | 'allowIp' | 'admit'>

/** Who may publish to what: the stream key names the channel, its allow list says from where. */
export class ChannelGate implements PublishGate {
  readonly #hosts: () => Iterable<PublishTarget>

  constructor(hosts: () => Iterable<PublishTarget>) {
    this.#hosts = hosts
  }

  async authorise(request: PublishRequest, session: SessionHandle): Promise<PublishVerdict> {
    const host = this.#find(request.key)
    if (!host) return { accepted: false, reason: 'unknown-key', description: 'The stream key is not known here.' }
    const channel = host.name
    if (!isAllowed(host.allowIp, request.remoteAddress)) {
      const description = `Publishing from ${request.remoteAddress} is not allowed.`
      return { accepted: false, reason: 'address-not-allowed', description, channel }
    }
    const publisher = { id: request.sessionId, layer: request.layer, end: (reason: string) => session.end(reason) }
    return { ...(await host.admit(publisher)), channel }
  }

  /** Compares with every key in the same time, so that an answer's delay tells nothing about a key. */
  #find(key: string): PublishTarget | undefined {
    let found: PublishTarget | undefined
    for (const host of this.#hosts()) if (equalSecrets(host.streamKey, key)) found = host
    return found
  }
}

function equalSecrets(secret: Secret, given: string): boolean {
  const wanted = Buffer.from(secret.reveal())
  const offered = Buffer.from(given)
  return wanted.byteLength === offered.byteLength && timingSafeEqual(wanted, offered)
}

/** A list that is set and empty admits nobody; none at all admits anybody. */
function isAllowed(list: readonly string[] | undefined, address: string): boolean {
  if (!list) return true
  const [plain = ''] = address.replace(/^::ffff:/i, '').split('%')
  const blocks = new BlockList()
  for (const entry of list) {
    const [network = '', prefix] = entry.split('/')
    const family = isIPv6(network) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) blocks.addAddress(network, family)
    else blocks.addSubnet(network, Number(prefix), family)
  }
  return blocks.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
}
