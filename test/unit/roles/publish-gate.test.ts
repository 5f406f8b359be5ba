import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/config/scalars.ts'
import type { PublishRequest } from '../../../src/ingest/ports.ts'
import { ChannelGate, type PublishTarget } from '../../../src/roles/publish-gate.ts'

const sink = { push: () => undefined, end: () => undefined }

function channel(name: string, key: string, allowIp?: readonly string[]) {
  const admitted: string[] = []
  const target: PublishTarget = {
    name,
    streamKey: new Secret(key),
    allowIp,
    admit: async ({ id }) => {
      admitted.push(id)
      return { accepted: true, sink }
    },
  }
  return { target, admitted }
}

function request(key: string, remoteAddress = '192.0.2.1'): PublishRequest {
  return {
    sessionId: 's1',
    app: 'live',
    streamName: key,
    key,
    layer: 'default',
    remoteAddress,
    secure: false,
    encoder: 'test',
    enhanced: false,
  }
}

const session = { id: 's1', remoteAddress: '192.0.2.1', end: async () => undefined }

describe('ChannelGate', () => {
  const one = channel('one', 'key-of-channel-one')
  const two = channel('two', 'key-of-channel-two')
  const gate = new ChannelGate(() => [one.target, two.target])

  it('leads a key to its channel', async () => {
    expect(await gate.authorise(request('key-of-channel-two'), session)).toEqual({
      accepted: true,
      sink,
      channel: 'two',
    })
    expect([one.admitted, two.admitted]).toEqual([[], ['s1']])
  })

  it.each([
    '',
    'key',
    'key-of-channel-on',
    'key-of-channel-onE',
    'key-of-channel-one1',
    'Key-of-channel-one',
    'one',
    'ключ-канала-один!!!',
    'x'.repeat(1_000),
  ])('knows no channel of "%s"', async (key) => {
    expect(await gate.authorise(request(key), session)).toMatchObject({ accepted: false, reason: 'unknown-key' })
    expect(one.admitted).toEqual([])
  })

  it('looks at every key for every request', async () => {
    const revealed: string[] = []
    const watched = ['a', 'b', 'c'].map((name) => {
      const { target } = channel(name, `key-${name}`)
      const streamKey = {
        reveal() {
          revealed.push(name)
          return `key-${name}`
        },
      } as Secret
      return { ...target, streamKey }
    })
    const observed = new ChannelGate(() => watched)
    expect(await observed.authorise(request('key-a'), session)).toMatchObject({ channel: 'a' })
    expect(await observed.authorise(request('none'), session)).toMatchObject({ reason: 'unknown-key' })
    expect(revealed).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('passes the refusal of a channel on, with its name', async () => {
    const busy = {
      ...one.target,
      admit: async () => ({ accepted: false, reason: 'busy', description: 'No.' }) as const,
    }
    expect(await new ChannelGate(() => [busy]).authorise(request('key-of-channel-one'), session)).toEqual({
      accepted: false,
      reason: 'busy',
      description: 'No.',
      channel: 'one',
    })
  })

  it.each([
    [undefined, '192.0.2.1', true],
    [undefined, '2001:db8::1', true],
    [[], '192.0.2.1', false],
    [['192.0.2.1'], '192.0.2.1', true],
    [['192.0.2.1'], '::ffff:192.0.2.1', true],
    [['192.0.2.1'], '192.0.2.10', false],
    [['192.0.2.0/25'], '192.0.2.127', true],
    [['192.0.2.0/25'], '192.0.2.128', false],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['2001:db8::/32'], '2001:db8:1::5', true],
    [['2001:db8::/32'], '2001:db9::5', false],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['198.51.100.0/24', '192.0.2.7'], '192.0.2.7', true],
  ])('with the list %j lets %s in: %s', async (allowIp, address, accepted) => {
    const listed = channel('listed', 'key-of-channel-x', allowIp)
    const verdict = await new ChannelGate(() => [listed.target]).authorise(
      request('key-of-channel-x', address),
      session,
    )
    expect(verdict).toMatchObject(accepted ? { accepted } : { accepted, reason: 'address-not-allowed' })
    expect(listed.admitted).toHaveLength(accepted ? 1 : 0)
  })
})
