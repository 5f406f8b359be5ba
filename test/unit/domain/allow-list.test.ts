import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ingestAdmission, viewingAdmission } from '../../../src/domain/allow-list.ts'

describe('an allow list', () => {
  it('for ingest: not set admits anybody, empty nobody', () => {
    expect(ingestAdmission(undefined)('203.0.113.9')).toBe(true)
    expect(ingestAdmission([])('203.0.113.9')).toBe(false)
  })

  it('for viewing: empty admits anybody', () => {
    expect(viewingAdmission([])('203.0.113.9')).toBe(true)
    expect(viewingAdmission(['192.0.2.0/24'])('203.0.113.9')).toBe(false)
  })

  it.each([
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '::ffff:192.0.2.7', true],
    ['192.0.2.7', '::FFFF:192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['0.0.0.0/0', 'not an address', false],
    ['::/0', '', false],
  ])('%s and %s', (entry, address, admitted) => {
    for (const admission of [ingestAdmission([entry]), viewingAdmission([entry])]) {
      expect(admission(address)).toBe(admitted)
    }
  })

  it('matches networks as arithmetic does', () => {
    const value = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 1, max: 32 }), (network, address, prefix) => {
        const size = 2 ** (32 - prefix)
        const inside = Math.floor(value(network) / size) === Math.floor(value(address) / size)
        expect(ingestAdmission([`${network}/${prefix}`])(address)).toBe(inside)
      }),
    )
  })
})
