import { describe, expect, it } from 'vitest'
import { isPublicAddress } from '../../../src/domain/public-address.ts'

const forbidden: readonly (readonly [string, ...string[]])[] = [
  ['this network', '0.0.0.0', '0.1.2.3'],
  ['private', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
  ['carrier-grade NAT', '100.64.0.1', '100.127.255.255'],
  ['loopback', '127.0.0.1', '127.255.255.254', '::1'],
  ['link-local', '169.254.169.254', 'fe80::1', 'febf::1'],
  ['special', '192.0.0.8', '192.88.99.1', '198.18.0.1', '198.19.255.255'],
  ['documentation', '192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1'],
  ['reserved and broadcast', '240.0.0.1', '255.255.255.255'],
  ['unspecified', '::'],
  ['unique-local', 'fc00::1', 'fd12:3456::1'],
  ['site-local', 'fec0::1'],
  ['IPv4-mapped', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8'],
  ['IPv4-compatible', '::127.0.0.1', '::7f00:1'],
  ['NAT64 with a private address', '64:ff9b::10.0.0.1', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe', '64:ff9b::'],
  ['NAT64 of one’s own', '64:ff9b:1::8.8.8.8'],
  ['6to4 and Teredo', '2002:7f00:1::1', '2002:808:808::1', '2001:0:4136:e378::1'],
  ['discard', '100::1'],
  ['with a zone', 'fe80::1%eth0', '2606:4700::1111%eth0'],
  ['no address', '', 'localhost', '1.2.3', '0x7f.1', '::g'],
]

describe('a public address', () => {
  it.each(forbidden)('is none that is %s', (_what, ...addresses) => {
    expect(addresses.filter((address) => isPublicAddress(address))).toEqual([])
  })

  it('is any other unicast one, also where a network reaches IPv4 by NAT64', () => {
    const open = ['8.8.8.8', '172.32.0.1', '100.128.0.1', '223.255.255.254', '11.0.0.1']
    const open6 = ['2606:4700:4700::1111', '2a00:1450:4001:82b::200e', '64:ff9b::8.8.8.8', '64:ff9b::808:808']
    expect([...open, ...open6].filter((address) => !isPublicAddress(address))).toEqual([])
  })
})
