import { beforeEach, describe, expect, it } from 'vitest'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'

stopApisAfterEach()

let api: TestApi
let key: string
let channelId: string
let path: string

beforeEach(async () => {
  api = await startApi()
  key = await api.newKey('operator')
  channelId = (await api.call('POST', '/v1/channels', { key, body: { name: 'stage' } })).json.id
  path = `/v1/channels/${channelId}`
})

const program = (name: string) => api.call('POST', '/v1/programs', { key, body: { name, channelId } })

describe('a channel', () => {
  it('is made with its keys, and shows them afterwards only to who asks for them', async () => {
    const made = await api.call('POST', '/v1/channels', { key, body: { name: 'other' } })
    expect(made.json.ingest[0].streamKey).toMatch(/^[\w-]{24}$/)
    const read = await api.call('GET', `/v1/channels/${made.json.id}`, { key })
    expect(JSON.stringify(read.json)).not.toContain(made.json.ingest[0].streamKey)
    const keys = await api.call('GET', `/v1/channels/${made.json.id}/keys`, { key })
    expect(keys.json.ingest).toEqual(made.json.ingest)
  })

  it('says what captions its pictures carry, each once, and no others than there are', async () => {
    const closedCaptions = [{ instreamId: 'CC1', language: 'en', name: 'English' }, { instreamId: 'SERVICE2' }]
    const changed = await api.call('PATCH', path, { key, body: { closedCaptions } })
    expect(changed).toMatchObject({ status: 200, json: { closedCaptions } })
    for (const wrong of [[{ instreamId: 'CC5' }], [{ instreamId: 'CC1' }, { instreamId: 'CC1' }]]) {
      expect((await api.call('PATCH', path, { key, body: { closedCaptions: wrong } })).status).toBe(400)
    }
    const cleared = await api.call('PATCH', path, { key, body: { closedCaptions: null } })
    expect(cleared.json).not.toHaveProperty('closedCaptions')
  })

  it('has its key made anew once for a request that is repeated', async () => {
    const headers = { 'idempotency-key': 'rotate-1' }
    const first = await api.call('POST', `${path}/rotate-key`, { key, body: { input: 'primary' }, headers })
    const again = await api.call('POST', `${path}/rotate-key`, { key, body: { input: 'primary' }, headers })
    expect(again).toMatchObject({ status: 200, json: first.json })
    const another = await api.call('POST', `${path}/rotate-key`, { key, body: { input: 'primary' } })
    expect(another.json.ingest[0].streamKey).not.toBe(first.json.ingest[0].streamKey)
    expect(another.json.ingest[1]).toEqual(first.json.ingest[1])
  })

  it('is made once for a request that is repeated, and refuses the key for another', async () => {
    const headers = { 'idempotency-key': 'make-1' }
    const first = await api.call('POST', '/v1/channels', { key, body: { name: 'once' }, headers })
    const again = await api.call('POST', '/v1/channels', { key, body: { name: 'once' }, headers })
    expect([first.status, again.status, again.json.id]).toEqual([201, 201, first.json.id])
    const other = await api.call('POST', '/v1/channels', { key, body: { name: 'twice' }, headers })
    expect(other).toMatchObject({ status: 409, json: { code: 'IDEMPOTENCY_KEY_USED' } })
  })

  it('takes a slate, refuses one of a picture that is not there, and gives it up again', async () => {
    const patch = (slate: object | null) => api.call('PATCH', path, { key, body: { slate } })
    expect(await patch({})).toMatchObject({ status: 200, json: { slate: { after: 'PT10S' } } })
    const assetId = (await api.call('POST', '/v1/assets', { key, body: { name: 'pictures' } })).json.id
    const missing = async (image: object) => (await patch({ after: 'PT5S', image })).json
    const elsewhere = `as_${'a'.repeat(assetId.length - 3)}`
    expect(await missing({ assetId: elsewhere, file: 'off.png' })).toMatchObject({
      code: 'REFERENCE_MISSING',
      problems: [{ pointer: '/slate/image/assetId' }],
    })
    expect(await missing({ assetId, file: 'off.png' })).toMatchObject({
      code: 'REFERENCE_MISSING',
      problems: [{ pointer: '/slate/image/file' }],
    })
    expect((await patch(null)).json.slate).toBeUndefined()
  })

  it('takes a change of what was seen, and refuses one of what was not', async () => {
    const etag = (await api.call('GET', path, { key })).headers.get('etag') ?? ''
    const patch = (body: object, seen: string) => api.call('PATCH', path, { key, body, headers: { 'if-match': seen } })
    const changed = await patch({ description: 'Main stage' }, etag)
    expect(changed).toMatchObject({ status: 200, json: { description: 'Main stage' } })
    expect(await patch({ description: 'Side stage' }, etag)).toMatchObject({
      status: 412,
      json: { code: 'ETAG_MISMATCH' },
    })
    expect((await patch({ description: null }, changed.headers.get('etag') ?? '')).json.description).toBeUndefined()
  })

  it('is started once, and shows what is under way', async () => {
    const [one, two] = await Promise.all([0, 1].map(() => api.call('POST', `${path}/start`, { key })))
    expect([one?.status, two?.status].toSorted((a = 0, b = 0) => a - b)).toEqual([202, 409])
    const started = one?.status === 202 ? one : two
    const shown = (await api.call('GET', path, { key })).json
    expect(shown).toMatchObject({ state: 'Starting', desiredState: 'Running', operationId: started?.json.id })
    expect(started?.headers.get('location')).toBe(`/v1/operations/${started?.json.id}`)
    const stopped = await api.call('POST', `${path}/stop`, { key })
    expect(stopped).toMatchObject({ status: 202, json: { action: 'channel.stop', state: 'pending' } })
    const given = await api.call('GET', `/v1/operations/${started?.json.id}`, { key })
    expect(given.json).toMatchObject({ state: 'failed', error: { code: 'STATE_CONFLICT' } })
  })

  it('goes at once with few programs, and by and by with more than a transaction holds', async () => {
    await program('one')
    expect(await api.call('DELETE', path, { key })).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    expect((await api.call('DELETE', `${path}?force=true`, { key })).status).toBe(204)
    channelId = (await api.call('POST', '/v1/channels', { key, body: { name: 'busy' } })).json.id
    for (let index = 0; index < 60; index += 1) await program(`program-${index}`)
    const removal = await api.call('DELETE', `/v1/channels/${channelId}?force=true`, { key })
    expect(removal).toMatchObject({ status: 202, json: { action: 'channel.delete' } })
    expect((await api.call('GET', `/v1/channels/${channelId}`, { key })).json.state).toBe('Deleting')
  })
})

describe('a program', () => {
  it('gets an asset of its own, or an Empty one that no other program has', async () => {
    const first = (await program('news')).json
    expect((await api.call('GET', `/v1/assets/${first.assetId}`, { key })).json).toMatchObject({
      name: 'news',
      state: 'Empty',
    })
    const body = { name: 'more', channelId, assetId: first.assetId }
    const taken = await api.call('POST', '/v1/programs', { key, body })
    expect(taken).toMatchObject({
      status: 409,
      json: { code: 'REFERENCE_MISSING', problems: [{ pointer: '/assetId' }] },
    })
    expect((await api.call('DELETE', `/v1/programs/${first.id}`, { key })).status).toBe(204)
    expect((await api.call('POST', '/v1/programs', { key, body })).json).toMatchObject({ assetId: first.assetId })
    // The name of the asset that stayed is taken: the next one is called otherwise.
    const again = (await program('news')).json
    const asset = (await api.call('GET', `/v1/assets/${again.assetId}`, { key })).json
    expect(asset.name).toMatch(/^news-\w{8}$/)
  })

  it('starts on a channel that runs only', async () => {
    const { id } = (await program('news')).json
    const refused = await api.call('POST', `/v1/programs/${id}/start`, { key })
    expect(refused).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    expect(refused.json.detail).toContain('Stopped')
  })
})
