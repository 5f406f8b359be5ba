import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stopApisAfterEach } from './api-harness.ts'
import { announce, bench, blobPath, put } from './asset-bench.ts'

stopApisAfterEach()

describe('an asset', () => {
  it('is made, listed, read, changed and deleted', async () => {
    const { api, key, asset } = await bench()
    const path = `/v1/assets/${asset}`
    expect(await api.call('POST', '/v1/assets', { key, body: { name: 'film' } })).toMatchObject({
      status: 409,
      json: { code: 'NAME_TAKEN' },
    })
    const changed = await api.call('PATCH', path, { key, body: { tags: { year: '2026' } } })
    expect(changed).toMatchObject({ status: 200, json: { state: 'Empty', tracks: [], tags: { year: '2026' } } })
    expect((await api.call('GET', '/v1/assets?tag=year%3D2026&namePrefix=fi', { key })).json.items).toEqual([
      changed.json,
    ])
    expect((await api.call('GET', '/v1/assets?name=film', { key })).json.items).toEqual([changed.json])
    const stale = { key, headers: { 'If-Match': '"0"' } }
    expect((await api.call('DELETE', path, stale)).status).toBe(412)
    expect((await api.call('DELETE', path, { key })).status).toBe(204)
    expect((await api.call('GET', path, { key })).status).toBe(404)
    expect((await api.call('GET', '/v1/assets', { key })).json).toEqual({ items: [] })
  })

  it('is made once by one Idempotency-Key', async () => {
    const { api, key } = await bench()
    const ask = { key, body: { name: 'again' }, headers: { 'Idempotency-Key': 'k1' } }
    const answers = await Promise.all([1, 2, 3].map(() => api.call('POST', '/v1/assets', ask)))
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1)
    const other = { ...ask, body: { name: 'different' } }
    expect(await api.call('POST', '/v1/assets', other)).toMatchObject({ json: { code: 'IDEMPOTENCY_KEY_USED' } })
  })

  it('is counted against the quota', async () => {
    const { api, key } = await bench()
    const body = { quotas: { assets: 2 } }
    await api.call('PATCH', `/v1/accounts/${api.account.id}`, { key: api.systemKey, body })
    expect((await api.call('POST', '/v1/assets', { key, body: { name: 'two' } })).status).toBe(201)
    const third = await api.call('POST', '/v1/assets', { key, body: { name: 'three' } })
    expect(third).toMatchObject({ status: 403, json: { code: 'QUOTA_EXCEEDED' } })
  })

  it('stays while a program has it', async () => {
    const { api, key, asset } = await bench()
    const channel = await api.call('POST', '/v1/channels', { key, body: { name: 'main' } })
    const body = { name: 'news', channelId: channel.json.id, assetId: asset }
    expect((await api.call('POST', '/v1/programs', { key, body })).status).toBe(201)
    for (const query of ['', '?force=true']) {
      const refused = await api.call('DELETE', `/v1/assets/${asset}${query}`, { key })
      expect(refused).toMatchObject({ status: 409, json: { code: 'IN_USE' } })
    }
  })

  it('takes its locators along by force, however many, and withdraws each', async () => {
    const withdrawn: string[] = []
    const publications = { withdrawn: async (id: string) => void withdrawn.push(id) }
    const { api, key, asset } = await bench({ deps: { publications } })
    const made = await Promise.all(
      Array.from({ length: 90 }, () => api.call('POST', '/v1/locators', { key, body: { assetId: asset } })),
    )
    expect((await api.call('DELETE', `/v1/assets/${asset}`, { key })).json).toMatchObject({ code: 'IN_USE' })
    expect((await api.call('DELETE', `/v1/assets/${asset}?force=true`, { key })).status).toBe(204)
    expect(new Set(withdrawn)).toEqual(new Set(made.map(({ json }) => json.id)))
    expect((await api.call('GET', '/v1/locators', { key })).json.items).toEqual([])
  })

  it('leaves nothing in storage', async () => {
    const it = await bench()
    const file = await announce(it)
    await put(it, file, 'bytes')
    expect(existsSync(blobPath(it, file.id))).toBe(true)
    await it.api.call('DELETE', `/v1/assets/${it.asset}`, { key: it.key })
    await it.api.janitor.idle()
    expect(existsSync(join(blobPath(it, file.id), '..', '..'))).toBe(false)
    expect(await it.api.repository.count('storage-task', 'system')).toBe(0)
    expect((await it.api.call('GET', file.path, { key: it.key })).status).toBe(404)
  })
})

describe('a file', () => {
  it('is announced, uploaded whole, and read back with all that is known of it', async () => {
    const it = await bench()
    const { api, key } = it
    const bytes = randomBytes(3_000_000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const file = await announce(it, { name: 'Küche “1”.mp4', mimeType: 'video/mp4', sizeBytes: bytes.length, sha256 })
    const early = await api.call('GET', `${file.path}/content`, { key })
    expect(early).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT' } })
    const ready = await put(it, file, bytes)
    expect(ready).toMatchObject({ status: 200, json: { state: 'Ready', sizeBytes: bytes.length, sha256 } })
    expect((await api.call('GET', `/v1/assets/${it.asset}`, { key })).json.state).toBe('Ready')
    const response = await fetch(`${api.url}${file.path}/content`, { headers: { Authorization: `Bearer ${key}` } })
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': String(bytes.length),
      etag: `"${sha256}"`,
      'accept-ranges': 'bytes',
      'content-disposition': `attachment; filename="K_che _1_.mp4"; filename*=UTF-8''K%C3%BCche%20%E2%80%9C1%E2%80%9D.mp4`,
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    })
    expect((await put(it, file, bytes)).status).toBe(409)
  })

  it('is read by ranges, and not at all where it is known', async () => {
    const it = await bench()
    const file = await announce(it, { name: 'a.txt', mimeType: 'text/plain' })
    await put(it, file, '0123456789')
    const read = (headers: Record<string, string>, method = 'GET') =>
      it.api.call(method, `${file.path}/content`, { key: it.key, headers })
    const whole = await read({})
    const etag = whole.headers.get('etag') ?? ''
    expect(await read({ Range: 'bytes=2-4' })).toMatchObject({ status: 206, text: '234' })
    expect((await read({ Range: 'bytes=2-4' })).headers.get('content-range')).toBe('bytes 2-4/10')
    expect(await read({ Range: 'bytes=-3' })).toMatchObject({ status: 206, text: '789' })
    expect(await read({ Range: 'bytes=7-' })).toMatchObject({ status: 206, text: '789' })
    expect(await read({ Range: 'bytes=7-', 'If-Range': etag })).toMatchObject({ status: 206, text: '789' })
    expect(await read({ Range: 'bytes=7-', 'If-Range': '"other"' })).toMatchObject({ status: 200, text: '0123456789' })
    const past = await read({ Range: 'bytes=10-' })
    expect(past.status).toBe(416)
    expect(past.headers.get('content-range')).toBe('bytes */10')
    expect(await read({ 'If-None-Match': etag })).toMatchObject({ status: 304, text: '' })
    const head = await read({}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10'])
  })

  it('of no bytes is a file', async () => {
    const it = await bench()
    const file = await announce(it, { name: 'empty' })
    expect(await put(it, file, '')).toMatchObject({ status: 200, json: { state: 'Ready', sizeBytes: 0 } })
    const read = await it.api.call('GET', `${file.path}/content`, { key: it.key })
    expect([read.status, read.text, read.headers.get('content-length')]).toEqual([200, '', '0'])
  })

  it('is Failed by what was not announced, and may be uploaded again', async () => {
    const it = await bench()
    const file = await announce(it, {
      name: 'a',
      sizeBytes: 4,
      sha256: createHash('sha256').update('good').digest('hex'),
    })
    const evil = await put(it, file, 'evil')
    expect(evil).toMatchObject({ status: 400, json: { code: 'UPLOAD_INVALID', problems: [{ pointer: '/sha256' }] } })
    expect((await it.api.call('GET', file.path, { key: it.key })).json.state).toBe('Failed')
    expect(existsSync(blobPath(it, file.id))).toBe(false)
    for (const bytes of ['goo', 'goods']) {
      expect(await put(it, file, bytes)).toMatchObject({ status: 400, json: { problems: [{ pointer: '/sizeBytes' }] } })
    }
    expect(await put(it, file, 'good')).toMatchObject({ status: 200, json: { state: 'Ready' } })
    expect(readFileSync(blobPath(it, file.id), 'utf8')).toBe('good')
  })

  it('is not larger than the limit, whether it says so or not', async () => {
    const it = await bench({ deps: { maxUploadBytes: 1_000 } })
    const announced = { name: 'big', sizeBytes: 1_001 }
    const refused = await it.api.call('POST', `/v1/assets/${it.asset}/files`, { key: it.key, body: announced })
    expect(refused).toMatchObject({ status: 413, json: { code: 'LIMIT_EXCEEDED' } })
    const file = await announce(it, { name: 'big' })
    expect((await put(it, file, 'x'.repeat(1_001))).status).toBe(413)
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(600))
      },
    })
    const headers = { Authorization: `Bearer ${it.key}` }
    const streamed = await fetch(`${it.api.url}${file.path}/content`, {
      method: 'PUT',
      headers,
      body,
      duplex: 'half',
    } as RequestInit)
    expect(streamed.status).toBe(413)
    expect((await it.api.call('GET', file.path, { key: it.key })).json.state).toBe('Failed')
  })

  it('is not taken encoded', async () => {
    const it = await bench()
    const file = await announce(it)
    expect((await put(it, file, 'x', { 'Content-Encoding': 'gzip' })).status).toBe(415)
    expect((await it.api.call('GET', file.path, { key: it.key })).json.state).toBe('Pending')
  })

  it('is one of the asset that the path names', async () => {
    const it = await bench()
    const file = await announce(it)
    const other = await it.api.call('POST', '/v1/assets', { key: it.key, body: { name: 'other' } })
    for (const [method, suffix] of [
      ['GET', ''],
      ['GET', '/content'],
      ['DELETE', ''],
      ['PUT', '/content'],
    ] as const) {
      const path = `/v1/assets/${other.json.id}/files/${file.id}${suffix}`
      expect((await it.api.call(method, path, { key: it.key })).status, `${method} ${path}`).toBe(404)
    }
  })

  it('has a name of its own in the asset; one of them is the primary one', async () => {
    const it = await bench()
    const { api, key, asset } = it
    const first = await announce(it, { name: 'a', isPrimary: true })
    const second = await announce(it, { name: 'b c.mp4', isPrimary: true })
    const path = `/v1/assets/${asset}/files`
    const primary = async () =>
      (await api.call('GET', path, { key })).json.items.map((file: { isPrimary: boolean }) => file.isPrimary)
    expect(await primary()).toEqual([false, true])
    await api.call('PATCH', first.path, { key, body: { isPrimary: true } })
    expect(await primary()).toEqual([true, false])
    expect((await api.call('POST', path, { key, body: { name: 'a' } })).json).toMatchObject({ code: 'NAME_TAKEN' })
    expect((await api.call('GET', `${path}?name=b%20c.mp4`, { key })).json.items).toMatchObject([{ id: second.id }])
    expect((await api.call('PATCH', first.path, { key, body: { name: 'z' } })).status).toBe(400)
  })

  it('that is deleted takes its bytes along, and the last one leaves the asset Empty', async () => {
    const it = await bench()
    const file = await announce(it)
    await put(it, file, 'bytes')
    expect((await it.api.call('DELETE', file.path, { key: it.key })).status).toBe(204)
    await it.api.janitor.idle()
    expect(existsSync(blobPath(it, file.id))).toBe(false)
    expect((await it.api.call('GET', `/v1/assets/${it.asset}`, { key: it.key })).json.state).toBe('Empty')
  })
})
