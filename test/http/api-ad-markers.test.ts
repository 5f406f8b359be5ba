import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MarkerDesk } from '../../src/channel/markers.ts'
import { ChangeSet } from '../../src/domain/change-set.ts'
import type { Channel } from '../../src/domain/channel.ts'
import type { Marker } from '../../src/presentation/markers.ts'
import { ChannelAdMarkers } from '../../src/roles/ad-markers.ts'
import { startApi, type TestApi } from './api-harness.ts'

const NOW_MS = Date.parse('2026-11-02T20:15:00Z')
const SPLICE_OUT = '/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo='

let api: TestApi
let key: string
let channelId: string
let path: string
let nowMs: number
let told: Marker[]
let slated: string[]
let source: Channel['adMarkerSource']

let desk: MarkerDesk

/** A channel that runs, as far as clients can see. */
beforeAll(async () => {
  const channel = () => ({ adMarkerSource: source }) as Channel
  const adMarkers = new ChannelAdMarkers({
    channel,
    desk: () => desk,
    random: randomBytes,
    slateDuring: (id) => void slated.push(id),
  })
  api = await startApi({
    deps: { channels: { health: () => undefined, inputs: () => [], adMarkers: () => adMarkers } },
  })
  key = await api.newKey('operator')
  channelId = (await api.call('POST', '/v1/channels', { key, body: { name: 'stage' } })).json.id
  const changes = new ChangeSet()
  const stored = await api.repository.get('channel', channelId, api.account.id)
  changes.update('channel', { ...stored, state: 'Running', desiredState: 'Running' })
  await api.repository.commit(changes)
  path = `/v1/channels/${channelId}/ad-markers`
})
afterAll(() => api.stop())

beforeEach(() => {
  nowMs = NOW_MS
  told = []
  slated = []
  source = undefined
  desk = new MarkerDesk({
    nowTicks: () => nowMs * 90,
    emit: (marker) => void told.push(marker),
    known: () => [],
    changed: () => undefined,
  })
})

const post = (body: object) => api.call('POST', path, { key, body })

describe('a break', () => {
  it('is announced from now, or by the clock, and once for an id', async () => {
    const made = await post({
      type: 'splice-out',
      id: 'b1',
      offset: 'PT5S',
      duration: 'PT30S',
      values: { campaign: 'x' },
    })
    expect(made).toMatchObject({
      status: 201,
      json: {
        id: 'b1',
        kind: 'ad-break',
        state: 'planned',
        at: '2026-11-02T20:15:05.000Z',
        plannedDuration: 'PT30S',
        values: { campaign: 'x' },
      },
    })
    expect(made.headers.get('location')).toBe(`${path}/b1`)
    nowMs += 700
    const again = await post({ type: 'splice-out', id: 'b1', offset: 'PT5S', duration: 'PT30S' })
    expect(again).toMatchObject({ status: 200, json: made.json })
    expect(told).toHaveLength(1)
    expect(slated).toEqual([])
    const covered = { type: 'splice-out', id: 'covered', duration: 'PT1S', showSlate: true }
    expect([(await post(covered)).status, (await post(covered)).status, slated]).toEqual([201, 200, ['covered']])
    await api.call('DELETE', `${path}/covered`, { key })
    const other = await post({ type: 'splice-out', id: 'b1', duration: 'PT10S' })
    expect(other).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    const at = await post({ type: 'splice-out', at: '2026-11-02T20:20:00Z' })
    expect(at.json).toMatchObject({ id: expect.stringMatching(/^break-[\w-]{12}$/), at: '2026-11-02T20:20:00.000Z' })
    const { items } = (await api.call('GET', path, { key })).json
    expect((items as { id: string }[]).filter(({ id }) => id !== 'covered')).toEqual([made.json, at.json])
  })

  it('is said to be when manifests say it is, to the millisecond', async () => {
    nowMs += 0.6
    expect((await post({ type: 'splice-out', id: 'b1' })).json.at).toBe('2026-11-02T20:15:00.001Z')
  })

  it('is ended by a splice-in, with and without its id', async () => {
    await post({ type: 'splice-out', id: 'b1' })
    nowMs += 12_500
    const ended = await post({ type: 'splice-in' })
    expect(ended).toMatchObject({ status: 200, json: { id: 'b1', state: 'ended', duration: 'PT12.5S' } })
    expect(await post({ type: 'splice-in' })).toMatchObject({ status: 409 })
    expect(await post({ type: 'splice-in', id: 'none' })).toMatchObject({ status: 409 })
    // Over is over: who says it again learns how long it was.
    expect(await post({ type: 'splice-in', id: 'b1' })).toMatchObject({ status: 200, json: ended.json })
  })

  it('is not ended by a splice-in without an id before it has begun', async () => {
    await post({ type: 'splice-out', id: 'later', offset: 'PT10M' })
    expect(await post({ type: 'splice-in' })).toMatchObject({ status: 409 })
    await post({ type: 'splice-out', id: 'now' })
    expect(await post({ type: 'splice-in' })).toMatchObject({ status: 200, json: { id: 'now', state: 'ended' } })
    expect(desk.find('later')?.durationTicks).toBeUndefined()
  })

  it('is called off, or ended, by DELETE', async () => {
    await post({ type: 'splice-out', id: 'later', offset: 'PT1M' })
    await post({ type: 'splice-out', id: 'now' })
    nowMs += 1_000
    const remove = (id: string) => api.call('DELETE', `${path}/${id}`, { key })
    expect(await remove('later')).toMatchObject({ status: 200, json: { state: 'cancelled' } })
    expect(await remove('now')).toMatchObject({ status: 200, json: { state: 'ended', duration: 'PT1S' } })
    expect(await remove('none')).toMatchObject({ status: 404, json: { code: 'ENTITY_NOT_FOUND' } })
  })

  it('carries the SCTE-35 message that is given, or one that is made', async () => {
    const given = await post({ type: 'splice-out', id: 'given', scte35: SPLICE_OUT })
    // How long the break is to be stands in the message.
    expect(given.json).toMatchObject({ scte35: SPLICE_OUT, plannedDuration: 'PT1M0.294S' })
    expect((await post({ type: 'splice-out', id: 'given', scte35: SPLICE_OUT })).status).toBe(200)
    const made = await post({ type: 'splice-out', id: 'made', duration: 'PT30S' })
    expect(made.json.scte35).toMatch(/^\/D/)
    const damaged = SPLICE_OUT.replace('c2nA', 'c2nB')
    expect(await post({ type: 'splice-out', scte35: damaged })).toMatchObject({
      status: 400,
      json: { problems: [{ pointer: '/scte35', detail: expect.stringContaining('CRC') }] },
    })
  })

  it.each([
    ['a time and an offset', { type: 'splice-out', at: '2026-11-02T20:20:00Z', offset: 'PT1S' }, '/offset'],
    ['a length of what ends', { type: 'splice-in', duration: 'PT1S' }, '/duration'],
    ['a time long past', { type: 'splice-out', at: '2026-11-02T19:00:00Z' }, '/at'],
    ['a slate with what ends', { type: 'splice-in', showSlate: true }, '/showSlate'],
    ['an id that is none', { type: 'splice-out', id: 'a b' }, '/id'],
    [
      'too many values',
      { type: 'splice-out', values: Object.fromEntries([...'abcdefghi'].map((k) => [k, ''])) },
      '/values',
    ],
  ])('is refused with %s', async (_name, body, pointer) => {
    expect(await post(body)).toMatchObject({ status: 400, json: { problems: [{ pointer }] } })
    expect(told).toEqual([])
  })

  it('is refused where the encoder’s are taken, and of a channel that does not run', async () => {
    source = 'scte35'
    expect(await post({ type: 'splice-out' })).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    const other = (await api.call('POST', '/v1/channels', { key, body: { name: 'other' } })).json.id
    const stopped = await api.call('POST', `/v1/channels/${other}/ad-markers`, { key, body: { type: 'splice-out' } })
    expect(stopped).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    expect((await api.call('GET', `/v1/channels/${other}/ad-markers`, { key })).json).toEqual({ items: [] })
  })

  it('is written into the audit log, and nothing that onlookers may make', async () => {
    await post({ type: 'splice-out', id: 'b1' })
    await api.call('DELETE', `${path}/b1`, { key })
    const admin = await api.newKey('admin')
    const { items } = (await api.call('GET', '/v1/audit', { key: admin })).json
    const actions = (items as { action: string }[]).map(({ action }) => action)
    expect(actions).toEqual(expect.arrayContaining(['channel.splice-out', 'channel.delete-ad-marker']))
    const viewer = await api.newKey('viewer')
    const denied = await api.call('POST', path, { key: viewer, body: { type: 'splice-out' } })
    expect(denied).toMatchObject({ status: 403, json: { code: 'PERMISSION_DENIED' } })
  })
})
