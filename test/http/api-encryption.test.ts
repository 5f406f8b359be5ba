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
    const get = (headers = {}) =>
      fetch(`${bench.api.url}${file.path}/content`, { headers: { Authorization: `Bearer ${bench.key}`, ...headers } })
    const whole = await get()
    expect(whole.headers.get('Content-Length')).toBe(String(film.byteLength))
    expect(Buffer.from(await whole.arrayBuffer()).equals(film)).toBe(true)
    const part = await get({ Range: 'bytes=131000-262200' })
    expect(part.status).toBe(206)
    expect(Buffer.from(await part.arrayBuffer()).equals(film.subarray(131_000, 262_201))).toBe(true)
    // Last, since the search takes its time: a connection that is kept for the next request may meanwhile be closed for idleness.
    const stored = readFileSync(blobPath(bench, file.id))
    expect(sharedRun(film, film.subarray(77))).toBe(0)
    expect(sharedRun(film, stored)).toBeUndefined()
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

  it('is published when it is said how it may be delivered, and not before', async () => {
    const { api, asset } = await encrypted()
    // How content is delivered is not for operators to say.
    const key = await api.newKey('admin')
    const publish = (more = {}) => api.call('POST', '/v1/locators', { key, body: { assetId: asset, ...more } })
    const detail = expect.stringContaining('give it, or this locator, a delivery policy')
    expect(await publish()).toMatchObject({ status: 409, json: { code: 'STATE_CONFLICT', detail } })
    expect((await publish({ deliveryPolicyId: 'Predefined_DownloadAndClearStreaming' })).status).toBe(201)
    const policy = { deliveryPolicyId: 'Predefined_ClearKey' }
    expect((await api.call('PATCH', `/v1/assets/${asset}`, { key, body: policy })).status).toBe(200)
    expect((await publish()).status).toBe(201)
  })
})
