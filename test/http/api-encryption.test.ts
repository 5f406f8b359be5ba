import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sharedRun } from '../support/shared-run.ts'
import { startApi, stopApisAfterEach, type TestApi } from './api-harness.ts'
import { announce, type Bench, blobPath, put } from './asset-bench.ts'

stopApisAfterEach()

const folder = mkdtempSync(join(tmpdir(), 'headend-master-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function keyFile(name: string, text = randomBytes(32).toString('base64')): string {
  const file = join(folder, name)
  writeFileSync(file, `${text}\n`)
  return file
}

async function encrypted(file = keyFile('master')): Promise<Bench> {
  const api = await startApi({ masterKeys: [{ id: 'one', file }] })
  const key = await api.newKey('operator')
  const made = await api.call('POST', '/v1/assets', { key, body: { name: 'film', storageEncryption: 'aes256' } })
  expect(made).toMatchObject({ status: 201, json: { storageEncryption: 'aes256', state: 'Empty' } })
  return { api, key, asset: made.json.id }
}

function keysOf({ repository, account }: TestApi, assetId: string) {
  return repository.referring('content-key', account.id, { relation: 'asset', id: assetId })
}

const film = Buffer.concat([randomBytes(250_000), Buffer.alloc(100_000, 'the same again '), randomBytes(1_000)])

describe('an encrypted asset', () => {
  it('has a key of its own, sealed, which no answer shows, and says so', async () => {
    const bench = await encrypted()
    const { api, key, asset } = bench
    expect((await api.call('GET', `/v1/assets/${asset}`, { key })).json.storageEncryption).toBe('aes256')
    const [made, ...others] = await keysOf(api, asset)
    expect(others).toEqual([])
    expect(made).toMatchObject({ kind: 'storage', assetId: asset, masterKeyId: 'one' })
    expect(Buffer.from(made?.sealedValue ?? '', 'base64').byteLength).toBe(1 + 32 + 32 + 16)
    const listed = await api.call('GET', '/v1/assets', { key })
    expect(listed.text).not.toContain(made?.sealedValue)
    const plain = await api.call('POST', '/v1/assets', { key, body: { name: 'clear' } })
    expect(plain.json.storageEncryption).toBe('none')
    expect(await keysOf(api, plain.json.id)).toEqual([])
  })

  it('keeps its files so that nothing of them can be read on the disk, and gives them back, by ranges too', async () => {
    const bench = await encrypted()
    const file = await announce(bench)
    expect(await put(bench, file, film)).toMatchObject({ status: 200, json: { sizeBytes: film.byteLength } })
    const stored = readFileSync(blobPath(bench, file.id))
    expect(sharedRun(film, film.subarray(77))).toBe(0)
    expect(sharedRun(film, stored)).toBeUndefined()
    const get = (headers = {}) =>
      fetch(`${bench.api.url}${file.path}/content`, { headers: { Authorization: `Bearer ${bench.key}`, ...headers } })
    const whole = await get()
    expect(whole.headers.get('Content-Length')).toBe(String(film.byteLength))
    expect(Buffer.from(await whole.arrayBuffer()).equals(film)).toBe(true)
    const part = await get({ Range: 'bytes=131000-262200' })
    expect(part.status).toBe(206)
    expect(Buffer.from(await part.arrayBuffer()).equals(film.subarray(131_000, 262_201))).toBe(true)
  })

  it('gives no byte that was altered on the disk, and those of other chunks as before', async () => {
    const bench = await encrypted()
    const file = await announce(bench)
    await put(bench, file, film)
    const path = blobPath(bench, file.id)
    const stored = readFileSync(path)
    stored[200_000] = (stored[200_000] ?? 0) ^ 1
    writeFileSync(path, stored)
    const get = (range: string) =>
      bench.api.call('GET', `${file.path}/content`, { key: bench.key, headers: { Range: range } })
    expect(await get('bytes=150000-150010')).toMatchObject({ status: 503, json: { code: 'STORAGE_TAMPERED' } })
    expect((await get('bytes=0-99')).status).toBe(206)
    expect((await get('bytes=300000-')).status).toBe(206)
  })

  it('takes its key along when it is deleted', async () => {
    const { api, key, asset } = await encrypted()
    expect((await api.call('DELETE', `/v1/assets/${asset}`, { key })).status).toBe(204)
    expect(await keysOf(api, asset)).toEqual([])
    expect(await api.repository.count('content-key', api.account.id)).toBe(0)
  })

  it('stays encrypted: what it is can’t be changed', async () => {
    const { api, key, asset } = await encrypted()
    const changed = await api.call('PATCH', `/v1/assets/${asset}`, { key, body: { storageEncryption: 'none' } })
    expect(changed).toMatchObject({ status: 400, json: { problems: [{ pointer: '/storageEncryption' }] } })
  })

  it('can be published as any other, until there are delivery policies', async () => {
    const { api, key, asset } = await encrypted()
    expect((await api.call('POST', '/v1/locators', { key, body: { assetId: asset } })).status).toBe(201)
  })
})

describe('a program’s own asset', () => {
  it('is encrypted where that is asked for', async () => {
    const { api, key, asset } = await encrypted()
    const channel = await api.call('POST', '/v1/channels', { key, body: { name: 'main' } })
    const channelId = channel.json.id
    const body = { name: 'show', channelId, storageEncryption: 'aes256' }
    const made = await api.call('POST', '/v1/programs', { key, body })
    expect(made.status).toBe(201)
    expect(made.json).not.toHaveProperty('storageEncryption')
    const own = await api.call('GET', `/v1/assets/${made.json.assetId}`, { key })
    expect(own.json.storageEncryption).toBe('aes256')
    expect((await keysOf(api, made.json.assetId)).length).toBe(1)
    const both = await api.call('POST', '/v1/programs', { key, body: { ...body, name: 'other', assetId: asset } })
    expect(both).toMatchObject({ status: 400, json: { problems: [{ pointer: '/storageEncryption' }] } })
    const given = await api.call('POST', '/v1/programs', { key, body: { name: 'other', channelId, assetId: asset } })
    expect(given).toMatchObject({ status: 201, json: { assetId: asset } })
  })
})

describe('without a master key', () => {
  it('nothing is encrypted: 409 says what is missing, for assets and for programs', async () => {
    const api = await startApi()
    const key = await api.newKey('operator')
    const refused = { status: 409, json: { code: 'MASTER_KEY_MISSING', problems: [{ pointer: '/storageEncryption' }] } }
    const body = { name: 'film', storageEncryption: 'aes256' }
    expect(await api.call('POST', '/v1/assets', { key, body })).toMatchObject(refused)
    const channel = await api.call('POST', '/v1/channels', { key, body: { name: 'main' } })
    const program = { ...body, channelId: channel.json.id }
    expect(await api.call('POST', '/v1/programs', { key, body: program })).toMatchObject(refused)
    expect((await api.call('GET', '/v1/assets', { key })).json.items).toEqual([])
  })

  it.each([
    ['missing', undefined, /one \(file .*absent\) can't be had: ENOENT/],
    ['malformed', 'not a key', /one \(file .*absent\) is none: 32 bytes in base64 or hex are wanted/],
  ])('that is configured but %s: 503 says which and where, and the rest goes on', async (_what, text, expected) => {
    const file = join(folder, 'absent')
    rmSync(file, { force: true })
    if (text !== undefined) keyFile('absent', text)
    const api = await startApi({ masterKeys: [{ id: 'one', file }] })
    const key = await api.newKey('operator')
    const made = await api.call('POST', '/v1/assets', { key, body: { name: 'film', storageEncryption: 'aes256' } })
    expect(made).toMatchObject({ status: 503, json: { code: 'MASTER_KEY_UNAVAILABLE' } })
    expect(made.json.detail).toMatch(expected)
    expect((await api.call('POST', '/v1/assets', { key, body: { name: 'clear' } })).status).toBe(201)
  })

  it('that fits, 503 says so when the asset is used; its upload is not begun', async () => {
    const file = keyFile('swapped')
    const bench = await encrypted(file)
    const uploaded = await announce(bench)
    await put(bench, uploaded, film)
    const second = await announce(bench, { name: 'other.mp4' })
    const [sealed] = await keysOf(bench.api, bench.asset)
    // As after a restart with another key under the same id.
    const other = await startApi({
      masterKeys: [{ id: 'one', file: keyFile('another') }],
      seeStore: () => bench.api.store,
    })
    const call = (method: string, path: string, body?: Uint8Array) => other.call(method, path, { key: bench.key, body })
    const wrong = { status: 503, json: { code: 'MASTER_KEY_WRONG' } }
    expect(await call('GET', `${uploaded.path}/content`)).toMatchObject(wrong)
    expect((await call('GET', `${uploaded.path}/content`)).json.detail).toContain(sealed?.id)
    expect(await call('PUT', `${second.path}/content`, film)).toMatchObject(wrong)
    expect(await call('GET', second.path)).toMatchObject({ json: { state: 'Pending' } })
    expect((await call('GET', uploaded.path)).status).toBe(200)
  })
})
