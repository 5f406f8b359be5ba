import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { networkAdmission } from '../domain/allow-list.ts'

/** The address of who asks. */
export type ClientAddress = (request: IncomingMessage) => string

/**
 * Where a request comes from: who is connected, and where that is a proxy in one of the trusted networks the address that it has
 * written last into `X-Forwarded-For`, and so on backwards. What stands before the first that is not trusted is whatever a client made up.
 */
export function clientAddressBehind(trustedProxies: readonly string[]): ClientAddress {
  const isTrusted = networkAdmission(trustedProxies)
  return ({ socket, headers }) => {
    let address = socket.remoteAddress ?? ''
    const forwarded = headers['x-forwarded-for']
    if (forwarded === undefined || trustedProxies.length === 0) return address
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',')
    while (isTrusted(address)) {
      const hop = addressOf(hops.pop() ?? '')
      if (hop === undefined) break
      address = hop
    }
    return address
  }
}

/** Some proxies write the port too, and brackets around IPv6 (RFC 7239 §6 does). */
function addressOf(text: string): string | undefined {
  const plain = text.trim().replace(/^\[([^\]]*)\](?::\d+)?$/, '$1')
  const address = isIP(plain) === 0 ? plain.replace(/:\d+$/, '') : plain
  return isIP(address) === 0 ? undefined : address
}
