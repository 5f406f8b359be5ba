import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { IngestInput } from '../../../src/domain/channel.ts'
import { type Channel, channelCreateSchema, newChannel } from '../../../src/domain/channel.ts'
import type { NewEvent } from '../../../src/domain/events.ts'
import { newId } from '../../../src/domain/kinds.ts'
import type { PublishVerdict } from '../../../src/ingest/ports.ts'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { KeyGate } from '../../../src/roles/key-gate.ts'
import { PublishKeys } from '../../../src/roles/publish-keys.ts'
import { publishRequest } from './live-bench.ts'

const accountId = newId('account', randomBytes)
const sink = { push: () => undefined, end: () => undefined }
const session = { id: 's1', remoteAddress: '192.0.2.1', end: async () => undefined }

function channel(name: string, keys: { primary?: string; secondary?: string } = {}, allowIp?: string[]): Channel {
  const given = channelCreateSchema.parse({ name, streamKeys: keys, ...(allowIp && { input: { allowIp } }) })
  return newChannel(given, accountId, randomBytes) as Channel
}

function gateTo(channels: readonly Channel[], verdict?: PublishVerdict) {
  const clock = new VirtualClock()
  const keys = new PublishKeys()
  for (const one of channels) keys.put(one)
  const events: NewEvent[] = []
  const admitted: [string, IngestInput][] = []
  const gate = new KeyGate({
    holder: (key) => keys.find(key),
    running: (channelId) =>
      verdict === undefined
        ? undefined
        : {
            admit: async (_request, input) => {
              admitted.push([channelId, input])
              return verdict as never
            },
          },
    events: { record: (event) => void events.push(event) },
    clock,
  })
  return { gate, keys, events, admitted, clock }
}

describe('PublishKeys', () => {
  const one = channel('one')
  const two = channel('two')

  it('lead to their channel and input', () => {
    const { keys } = gateTo([one, two])
    expect(keys.find(one.streamKeys.primary)).toMatchObject({ channel: one, input: 'primary' })
    expect(keys.find(two.streamKeys.secondary)).toMatchObject({ channel: two, input: 'secondary' })
    const near = `${one.streamKeys.primary.slice(0, -1)}_`
    for (const key of ['', 'one', near, one.streamKeys.primary.toUpperCase(), `${one.streamKeys.primary} `, 'ключ']) {
      expect(keys.find(key), key).toBeUndefined()
    }
  })

  it('follow a channel as it changes and goes', () => {
    const { keys } = gateTo([one])
    const renamed = { ...one, name: 'renamed', streamKeys: { ...one.streamKeys, primary: 'another-key' } } as Channel
    keys.put(renamed)
    expect(keys.find(one.streamKeys.primary)).toBeUndefined()
    expect(keys.find('another-key')?.channel.name).toBe('renamed')
    expect(keys.find(one.streamKeys.secondary)?.channel.name).toBe('renamed')
    keys.remove(one.id)
    keys.remove(one.id)
    expect([keys.find('another-key'), keys.find(one.streamKeys.secondary)]).toEqual([undefined, undefined])
  })

  it('are the older channel’s, whichever came first, and go to the next when that one gives them up', () => {
    const shared = 'the-same-key-twice'
    const first = { ...channel('first', { primary: shared }), created: '2026-01-01T00:00:00Z' } as Channel
    const second = { ...channel('second', { secondary: shared }), created: '2026-01-02T00:00:00Z' } as Channel
    const { keys } = gateTo([second, first])
    expect(keys.find(shared)).toMatchObject({ channel: first, input: 'primary' })
    keys.put({ ...first, name: 'still-first' } as Channel)
    expect(keys.find(shared)?.channel.name).toBe('still-first')
    keys.put({ ...first, streamKeys: { ...first.streamKeys, primary: 'something-else' } } as Channel)
    expect(keys.find(shared)).toMatchObject({ channel: second, input: 'secondary' })
  })

  it('may be the same for both inputs', () => {
    const same = channel('same', { primary: 'one-for-both', secondary: 'one-for-both' })
    const { keys } = gateTo([same])
    expect(keys.find('one-for-both')?.input).toBe('primary')
    keys.put({ ...same, streamKeys: { ...same.streamKeys, primary: 'another-key' } } as Channel)
    expect(keys.find('one-for-both')?.input).toBe('secondary')
  })
})

describe('KeyGate', () => {
  const accepted = { accepted: true, sink } as const

  it('lets in by either key, and says by which', async () => {
    const one = channel('one')
    const { gate, admitted, events } = gateTo([one], accepted)
    const verdict = await gate.authorise(publishRequest(one.streamKeys.secondary), session)
    expect(verdict).toEqual({ accepted: true, sink, channel: 'one' })
    expect(admitted).toEqual([[one.id, 'secondary']])
    expect(events).toEqual([])
  })

  it('tells nobody of a key that is nobody’s', async () => {
    const { gate, events } = gateTo([channel('one')], accepted)
    expect(await gate.authorise(publishRequest('nobodys'), session)).toMatchObject({ reason: 'unknown-key' })
    expect(events).toEqual([])
  })

  it('passes the refusal of a channel on, and tells of it', async () => {
    const one = channel('one')
    const busy = { accepted: false, reason: 'busy', description: 'No.' } as const
    const { gate, events } = gateTo([one], busy)
    expect(await gate.authorise(publishRequest(one.streamKeys.primary), session)).toEqual({ ...busy, channel: 'one' })
    expect(events).toMatchObject([
      {
        type: 'channel.encoder-rejected',
        accountId,
        subject: { kind: 'channel', id: one.id, name: 'one' },
        data: { address: '192.0.2.1', layer: 'default', encoder: 'synthetic', reason: 'busy', detail: 'No.' },
      },
    ])
  })

  it('tells of who tries on and on once a minute', async () => {
    const one = channel('one')
    const { gate, events, clock } = gateTo([one])
    for (let second = 0; second < 90; second++) {
      await gate.authorise(publishRequest(one.streamKeys.primary), session)
      await clock.advance(1_000)
    }
    expect(events).toHaveLength(2)
    await gate.authorise(publishRequest(one.streamKeys.primary, { remoteAddress: '192.0.2.9' }), session)
    expect(events).toHaveLength(3)
    for (let n = 0; n < 3_000; n++) {
      await gate.authorise(publishRequest(one.streamKeys.primary, { layer: `layer-${n}` }), session)
    }
    expect(events.length).toBeLessThan(1_010)
  })

  it.each([
    [undefined, '192.0.2.1', true],
    [undefined, '2001:db8::1', true],
    [[], '192.0.2.1', false],
    [['192.0.2.1'], '::ffff:192.0.2.1', true],
    [['192.0.2.0/25'], '192.0.2.127', true],
    [['192.0.2.0/25'], '192.0.2.128', false],
    [['2001:db8::/32'], '2001:db8:1::5', true],
    [['fe80::/10'], 'fe80::1%eth0', true],
  ])('with the list %j lets %s in: %s', async (allowIp, remoteAddress, isIn) => {
    const listed = channel('listed', {}, allowIp)
    const { gate, admitted } = gateTo([listed], accepted)
    const verdict = await gate.authorise(publishRequest(listed.streamKeys.primary, { remoteAddress }), session)
    expect(verdict).toMatchObject(isIn ? { accepted: true } : { accepted: false, reason: 'address-not-allowed' })
    expect(admitted).toHaveLength(isIn ? 1 : 0)
  })
})
