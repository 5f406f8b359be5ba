// Computes only, no sockets: the platform's own matching of networks is better kept than one of ours.
import { BlockList, isIP } from 'node:net'

/** What is no public unicast address: IANA's special-purpose registry (RFC 6890), multicast and the reserved rest. */
const IPV4_NOT_PUBLIC = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const

/** Inside 2000::/3, outside of which nothing is public: protocol assignments and Teredo, documentation, 6to4. */
const IPV6_NOT_PUBLIC = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

function networks(list: readonly (readonly [string, number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const block = new BlockList()
  for (const [network, prefix] of list) block.addSubnet(network, prefix, family)
  return block
}

const ipv4NotPublic = networks(IPV4_NOT_PUBLIC, 'ipv4')
const ipv6NotPublic = networks(IPV6_NOT_PUBLIC, 'ipv6')
const ipv6Global = networks([['2000::', 3]], 'ipv6')
/** The well-known prefix behind which a network's NAT64 reaches IPv4 (RFC 6052 §2.1). */
const nat64 = networks([['64:ff9b::', 96]], 'ipv6')

/** The IPv4 address in the last 32 bits of an IPv6 one. */
function embeddedIpv4(address: string): string {
  // A URL's host is IPv6 in its one canonical form, without dotted digits.
  const host = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const [head = '', tail] = host.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [high = 0, low = 0] = [0, 0, ...groups(tail ?? head)].slice(-2)
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

/**
 * Whether an address is a public unicast one, which anybody on the Internet may be asked to reach. False for what is private,
 * loopback, link-local, multicast, unique-local, reserved or no address at all, and for IPv6 forms that carry an IPv4 address
 * (mapped, compatible, 6to4, Teredo), save NAT64's well-known prefix with a public address in it.
 */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address)
  if (version === 4) return !ipv4NotPublic.check(address, 'ipv4')
  if (version === 0 || address.includes('%')) return false
  if (nat64.check(address, 'ipv6')) return isPublicAddress(embeddedIpv4(address))
  return ipv6Global.check(address, 'ipv6') && !ipv6NotPublic.check(address, 'ipv6')
}
