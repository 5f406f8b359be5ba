import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/lib/clock.ts'
import { until } from '../support/until.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'

stopApisAfterEach()

const GUID = '6f1d2c3b-5a4e-4f60-8b1a-0c9d8e7f6a5b'
const clock = new VirtualClock(Date.parse('2026-11-02T20:00:00Z'))
const withdrawn: string[] = []

let api: TestApi
let key: string
let assetId: string

beforeEach(async () => {
  withdrawn.length = 0
  const publications = { withdrawn: async (id: string) => void withdrawn.push(id) }
  api = await startApi({ clock, deps: { publications } })
  key = await api.newKey('operator')
  assetId = (await api.call('POST', '/v1/assets', { key, body: { name: 'film' } })).json.id
})

const create = (body: object) => api.call('POST', '/v1/locators', { key, body: { assetId, ...body } })

describe('a locator', () => {
  it('is made under a GUID chosen in advance, read, and revoked', async () => {
    const made = await create({ id: GUID.toUpperCase(), name: 'evening', tags: { a: 'b' } })
    expect(made).toMatchObject({ status: 201, json: { id: GUID, kind: 'onDemand', status: 'active', assetId } })
    expect(made.headers.get('location')).toBe(`/v1/locators/${GUID}`)
    expect((await api.call('GET', `/v1/locators/${GUID.toUpperCase()}`, { key })).json).toEqual(made.json)
    expect(await create({ id: GUID })).toMatchObject({ status: 409, json: { code: 'ENTITY_EXISTS' } })
    expect((await api.call('PATCH', `/v1/locators/${GUID}`, { key, body: {} })).status).toBe(405)
    expect(await api.call('DELETE', `/v1/assets/${assetId}`, { key })).toMatchObject({ json: { code: 'IN_USE' } })
    expect((await api.call('DELETE', `/v1/locators/${GUID}`, { key })).status).toBe(204)
    expect(withdrawn).toEqual([GUID])
    expect((await api.call('GET', `/v1/locators/${GUID}`, { key })).status).toBe(404)
  })

  it('is answered for only when origins answer no more', async () => {
    const gone = Promise.withResolvers<void>()
    const slow = await startApi({ deps: { publications: { withdrawn: () => gone.promise } } })
    const operator = await slow.newKey('operator')
    const asset = await slow.call('POST', '/v1/assets', { key: operator, body: { name: 'film' } })
    await slow.call('POST', '/v1/locators', { key: operator, body: { id: GUID, assetId: asset.json.id } })
    let isAnswered = false
    const revoked = slow.call('DELETE', `/v1/locators/${GUID}`, { key: operator }).then((answer) => {
      isAnswered = true
      return answer
    })
    await until(async () => (await slow.call('GET', `/v1/locators/${GUID}`, { key: operator })).status === 404)
    expect(isAnswered).toBe(false)
    gone.resolve()
    expect((await revoked).status).toBe(204)
  })

  it('is pending, active and expired by the clock', async () => {
    await create({ id: GUID, start: '2026-11-02T20:15:00Z', expiry: '2026-11-02T21:00:00Z' })
    const status = async () => (await api.call('GET', `/v1/locators/${GUID}`, { key })).json.status
    expect(await status()).toBe('pending')
    await clock.advance(15 * 60_000)
    expect(await status()).toBe('active')
    await clock.advance(45 * 60_000)
    expect(await status()).toBe('expired')
    expect((await api.call('GET', `/v1/locators/${GUID}/paths`, { key })).json.status).toBe('expired')
  })

  it('is listed by asset and name', async () => {
    const other = await api.call('POST', '/v1/assets', { key, body: { name: 'other' } })
    await create({ name: 'one' })
    // What is made in one millisecond has no order that could be told.
    await clock.advance(1)
    await create({ name: 'two', assetId: other.json.id })
    const names = async (query: string) =>
      (await api.call('GET', `/v1/locators?${query}`, { key })).json.items.map(({ name }: { name: string }) => name)
    expect(await names('')).toEqual(['one', 'two'])
    expect(await names(`assetId=${assetId}`)).toEqual(['one'])
    expect(await names(`assetId=${assetId}&name=two`)).toEqual([])
    expect(await names('namePrefix=t')).toEqual(['two'])
    const [first] = (await api.call('GET', '/v1/locators?limit=1', { key })).json.items
    const { nextCursor } = (await api.call('GET', '/v1/locators?limit=1', { key })).json
    const next = await api.call('GET', `/v1/locators?limit=1&cursor=${encodeURIComponent(nextCursor)}`, { key })
    expect([first.name, next.json.items[0].name, next.json.nextCursor]).toEqual(['one', 'two', undefined])
  })

  it('publishes nothing of another account', async () => {
    const other = await api.newAccount('other')
    const theirs = await api.newKey('admin', other.id)
    const foreign = await api.call('POST', '/v1/assets', { key: theirs, body: { name: 'theirs' } })
    const refused = await create({ assetId: foreign.json.id })
    expect(refused).toMatchObject({
      status: 409,
      json: { code: 'REFERENCE_MISSING', problems: [{ pointer: '/assetId' }] },
    })
    const nothing = await create({ assetId: 'as_0000000000000000000000' })
    expect({ ...nothing.json, detail: '' }).toEqual({ ...refused.json, detail: '' })
    await create({ id: GUID })
    expect((await api.call('GET', `/v1/locators/${GUID}`, { key: theirs })).status).toBe(404)
    expect((await api.call('DELETE', `/v1/locators/${GUID}`, { key: theirs })).status).toBe(404)
    expect(withdrawn).toEqual([])
  })

  it.each([
    [{ expiry: 'tomorrow' }],
    [{ start: '2026-01-02T00:00:00Z', expiry: '2026-01-01T00:00:00Z' }],
    [{ kind: 'sas' }],
    [{ id: 'x' }],
  ])('is not made of %j', async (body) =>
    expect(await create(body)).toMatchObject({ status: 400, json: { code: 'ENTITY_INVALID' } }),
  )
})

describe('the paths of a locator', () => {
  it('are none while there is nothing to stream', async () => {
    await create({ id: GUID })
    const { json } = await api.call('GET', `/v1/locators/${GUID}/paths`, { key })
    expect(json).toEqual({ locatorId: GUID, status: 'active', paths: [] })
  })

  it('name the manifest of the program that records the asset, each format, and a page that plays it', async () => {
    const channel = await api.call('POST', '/v1/channels', { key, body: { name: 'main' } })
    const body = { name: 'news', channelId: channel.json.id, assetId, manifestName: 'evening' }
    await api.call('POST', '/v1/programs', { key, body })
    await create({ id: GUID })
    const { json } = await api.call('GET', `/v1/locators/${GUID}/paths`, { key })
    const stream = 'http://127.0.0.1:8088'
    expect(json.paths).toEqual(
      [
        ['hls', false, 'index.m3u8'],
        ['dash', false, 'index.mpd'],
        ['hls', false, 'evening.ism/manifest(format=m3u8-cmaf)'],
        ['dash', false, 'evening.ism/manifest(format=mpd-time-cmaf)'],
        ['smooth', false, 'evening.ism/manifest(format=fmp4-v20)'],
        ['hls', false, 'evening.ism/manifest(format=m3u8-aapl)'],
        ['hls', false, 'evening.ism/manifest(format=m3u8-aapl-v3)'],
        ['hls', true, 'evening.ism/manifest(format=m3u8-cmaf,audio-only=true)'],
        ['dash', true, 'evening.ism/manifest(format=mpd-time-cmaf,audio-only=true)'],
        ['smooth', true, 'evening.ism/manifest(format=fmp4-v20,audio-only=true)'],
        ['hls', true, 'evening.ism/manifest(format=m3u8-aapl,audio-only=true)'],
        ['hls', true, 'evening.ism/manifest(format=m3u8-aapl-v3,audio-only=true)'],
      ].map(([format, audioOnly, rest]) => ({
        format,
        audioOnly,
        path: `/${GUID}/${rest}`,
        url: `${stream}/${GUID}/${rest}`,
      })),
    )
    const player = new URL(json.playerUrl)
    expect(`${player.origin}${player.pathname}`).toBe(`${api.url}/player/`)
    expect(player.searchParams.get('hls')).toBe(`${stream}/${GUID}/index.m3u8`)
    expect(player.searchParams.get('dash')).toBe(`${stream}/${GUID}/index.mpd`)
  })
})
