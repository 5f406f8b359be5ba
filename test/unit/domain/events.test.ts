import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { matchesFilter } from '../../../src/domain/event-filter.ts'
import {
  deliveryDelayMs,
  eventSubscriptionCreateSchema,
  eventSubscriptionSchema,
  eventSubscriptionViewSchema,
  MAX_DELIVERY_ATTEMPTS,
  newEventSubscription,
} from '../../../src/domain/event-subscription.ts'
import { eventCatalog, eventSchema, eventTypes, newEvent } from '../../../src/domain/events.ts'
import { kinds, newId } from '../../../src/domain/kinds.ts'
import { sequenceId } from '../../../src/domain/sequence-id.ts'

const accountId = newId('account', randomBytes)
const about = { accountId, id: newId('channel', randomBytes), name: 'main' }
const times = { created: '2026-11-02T20:15:00Z', lastModified: '2026-11-02T20:15:00Z', etag: '1' }

describe('the catalogue of events', () => {
  it('has what the control plane has to tell', () => {
    for (const type of [
      'channel.state-changed',
      'channel.encoder-connected',
      'channel.encoder-disconnected',
      'channel.encoder-rejected',
      'channel.ingest-heartbeat',
      'channel.health-changed',
      'channel.transcoder-restarted',
      'channel.input-lost',
      'channel.input-returned',
      'channel.input-switched',
      'channel.slate-started',
      'channel.slate-ended',
      'channel.slate-failed',
      'program.state-changed',
      'asset.state-changed',
    ]) {
      expect(eventTypes).toContain(type)
    }
    expect(eventTypes).toEqual([...eventTypes].sort((a, b) => (a < b ? -1 : 1)))
  })

  it('names kinds that there are, and says what each is', () => {
    for (const { subject, description } of Object.values(eventCatalog)) {
      expect(kinds).toContain(subject)
      expect(description).toMatch(/\.$/)
    }
  })

  it('makes events that its schema takes', () => {
    const event = newEvent('channel.state-changed', about, { from: 'Starting', to: 'Running', reason: 'completed' }, 0)
    const stored = { id: sequenceId('ev', 1), ...event }
    expect(eventSchema.parse(stored)).toEqual({
      id: 'ev_0000000000000001',
      type: 'channel.state-changed',
      time: '1970-01-01T00:00:00.000Z',
      accountId,
      subject: { kind: 'channel', id: about.id, name: 'main' },
      data: { from: 'Starting', to: 'Running', reason: 'completed' },
    })
  })

  it('takes no event with another’s data, subject or an unknown type', () => {
    const event = { id: sequenceId('ev', 1), ...newEvent('channel.created', about, {}, 0) }
    expect(eventSchema.safeParse(event).success).toBe(true)
    for (const change of [
      { data: { from: 'Stopped' } },
      { type: 'channel.state-changed' },
      { type: 'channel.exploded' },
      { subject: { kind: 'program', id: about.id } },
      { id: 'ev_1' },
      { secret: 'x' },
    ]) {
      expect(eventSchema.safeParse({ ...event, ...change }).success).toBe(false)
    }
  })

  it('lets a rejected encoder know no key: there is no field for one', () => {
    const data = { address: '192.0.2.1', encoder: 'obs', reason: 'busy', detail: 'Another encoder publishes.' } as const
    const event = { id: sequenceId('ev', 1), ...newEvent('channel.encoder-rejected', about, data, 0) }
    expect(eventSchema.safeParse(event).success).toBe(true)
    expect(eventSchema.safeParse({ ...event, data: { ...data, streamKey: 'x' } }).success).toBe(false)
  })
})

describe('an event filter', () => {
  const event = newEvent('channel.input-lost', about, { input: 'primary', reason: 'idle' }, 0)

  it.each([
    [{}, true],
    [{ types: ['*'] }, true],
    [{ types: ['channel.*'] }, true],
    [{ types: ['program.*', 'channel.input-lost'] }, true],
    [{ types: ['channel.input'] }, false],
    [{ types: ['program.*'] }, false],
    [{ subjectKinds: ['channel'] }, true],
    [{ subjectKinds: ['program'] }, false],
    [{ subjectIds: [about.id] }, true],
    [{ subjectIds: ['ch_other'] }, false],
    [{ types: ['channel.*'], subjectKinds: ['channel'], subjectIds: ['ch_other'] }, false],
  ])('%j', (filter, matches) => expect(matchesFilter(filter, event)).toBe(matches))
})

describe('a subscription', () => {
  const create = (given: object) =>
    eventSubscriptionCreateSchema.safeParse({ name: 'ops', url: 'https://example.com/hook', ...given })

  it('hears of types that there are', () => {
    expect(create({ types: ['channel.*', 'program.created', '*', 'asset.*'] }).success).toBe(true)
    for (const types of [['channel'], ['channel.exploded'], ['nothing.*'], [], ['']]) {
      expect(create({ types }).success).toBe(false)
    }
    expect(create({ url: 'ftp://example.com' }).success).toBe(false)
    expect(create({ secret: 'short' }).success).toBe(false)
  })

  it('is made with a secret', () => {
    const make = (given: object) =>
      newEventSubscription(eventSubscriptionCreateSchema.parse(create(given).data), accountId, randomBytes)
    const made = make({})
    expect(made.secret).toMatch(/^[\w-]{43}$/)
    expect(make({ secret: 'a-secret-of-mine-1' }).secret).toBe('a-secret-of-mine-1')
    const { secret: _, ...shown } = eventSubscriptionSchema.parse({ ...made, ...times })
    expect(eventSubscriptionViewSchema.parse(shown)).toEqual(shown)
  })

  it('is tried again after ever longer times, for about three hours', () => {
    const delays = Array.from({ length: MAX_DELIVERY_ATTEMPTS - 1 }, (_, index) => deliveryDelayMs(index + 1, 1))
    expect(delays.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000])
    expect(Math.max(...delays)).toBe(600_000)
    const hours = delays.reduce((sum, delay) => sum + delay, 0) / 3_600_000
    expect(hours).toBeGreaterThan(2.5)
    expect(hours).toBeLessThan(3.5)
    expect(deliveryDelayMs(1, 0)).toBe(800)
    expect(deliveryDelayMs(10_000, 1)).toBe(600_000)
  })
})
