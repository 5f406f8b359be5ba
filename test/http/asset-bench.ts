import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type ApiOverrides, startApi, type TestApi } from './api-harness.ts'

export type Bench = { readonly api: TestApi; readonly key: string; readonly asset: string }

/** An API with an operator's key and an asset. */
export async function bench(overrides: ApiOverrides = {}): Promise<Bench> {
  const api = await startApi(overrides)
  const key = await api.newKey('operator')
  const made = await api.call('POST', '/v1/assets', { key, body: { name: 'film' } })
  expect(made.status).toBe(201)
  return { api, key, asset: made.json.id }
}

export async function announce({ api, key, asset }: Bench, body: object = { name: 'film.mp4', mimeType: 'video/mp4' }) {
  const made = await api.call('POST', `/v1/assets/${asset}/files`, { key, body })
  expect(made, made.text).toMatchObject({ status: 201, json: { state: 'Pending' } })
  return { ...made.json, path: `/v1/assets/${asset}/files/${made.json.id}` } as { id: string; path: string }
}

export function put({ api, key }: Bench, file: { path: string }, bytes: Uint8Array | string, headers = {}) {
  return api.call('PUT', `${file.path}/content`, { key, body: bytes, headers })
}

/** Where the bytes of a file lie. */
export function blobPath({ api, asset }: Bench, fileId: string): string {
  const [account = ''] = readdirSync(api.mediaDir)
  const [storage = ''] = readdirSync(join(api.mediaDir, account))
  return join(api.mediaDir, account, storage, asset, 'files', fileId)
}
