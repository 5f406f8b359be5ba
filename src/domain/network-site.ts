// Computes only, no sockets.
import { isIPv6 } from 'node:net'

/** Where somebody comes from, as it is counted: of an IPv6 address the network, which is one site's (RFC 6177). */
export function siteOf(address: string): string {
  const zoneless = address.split('%', 1)[0] ?? ''
  const plain = /^::ffff:\d+\./i.test(zoneless) ? zoneless.slice(7) : zoneless
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array<string>(Math.max(0, missing)).fill('0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
