import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { clientAddressBehind } from '../../../src/origin/client-address.ts'

const request = (remoteAddress: string | undefined, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage

it('believes proxies of the trusted networks, and what those have written, and nobody else', () => {
  const of = clientAddressBehind(['10.0.0.0/8', '2001:db8::/32'])
  expect(of(request('198.51.100.1', '192.0.2.7'))).toBe('198.51.100.1')
  expect(of(request('10.1.1.1'))).toBe('10.1.1.1')
  expect(of(request('10.1.1.1', '192.0.2.7'))).toBe('192.0.2.7')
  expect(of(request('::ffff:10.1.1.1', '203.0.113.9, 192.0.2.7'))).toBe('192.0.2.7')
  expect(of(request('10.1.1.1', '203.0.113.9, 192.0.2.7, 2001:db8::9, 10.2.2.2'))).toBe('192.0.2.7')
  expect(of(request('10.1.1.1', '192.0.2.7:4711'))).toBe('192.0.2.7')
  expect(of(request('2001:db8::1', '[2001:db9::7]:4711'))).toBe('2001:db9::7')
  expect(of(request('10.1.1.1', '10.2.2.2, 10.3.3.3'))).toBe('10.2.2.2')
  for (const bad of ['', 'unknown', 'x, ', '192.0.2.7, nonsense', '999.1.1.1']) {
    expect(of(request('10.1.1.1', bad))).toBe('10.1.1.1')
  }
  expect(of(request('10.1.1.1', '192.0.2.7, nonsense, 10.2.2.2'))).toBe('10.2.2.2')
  expect(of(request(undefined, '192.0.2.7'))).toBe('')
  expect(clientAddressBehind([])(request('10.1.1.1', '192.0.2.7'))).toBe('10.1.1.1')
})
