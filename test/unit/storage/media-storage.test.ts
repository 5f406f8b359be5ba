import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { StoragePlace } from '../../../src/domain/storage-account.ts'
import type { SecretKeeper } from '../../../src/domain/stored-secret.ts'
import { MediaStorage, type MediaStorageOptions } from '../../../src/storage/media-storage.ts'
import { type S3Server, startS3 } from '../../support/s3-server.ts'

// An HTTP request is a while in coming on a machine that is busy.
vi.setConfig({ testTimeout: 20_000 })

let server: S3Server
let dir: string
const opened: MediaStorage[] = []

beforeAll(async () => {
  server = await startS3()
})
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'media-'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((media) => media.stop()))
  rmSync(dir, { recursive: true, force: true })
})
afterAll(() => server.close())

function open(options: MediaStorageOptions = { allowPrivateEndpoints: true }): MediaStorage {
  const media = new MediaStorage(join(dir, 'media'), options)
  opened.push(media)
  return media
}

const accountId = 'ac_4fZ0mTq2LrX8bNcVdKs1Ye' as StoragePlace['accountId']
const folder: StoragePlace = { accountId, kind: 'filesystem', location: { directory: 'main' } }
function bucket(prefix: string, secretAccessKey = 'S3RVER'): StoragePlace {
  const location = { endpoint: server.url, region: 'us-east-1', bucket: server.bucket, prefix, forcePathStyle: true }
  return { accountId, kind: 's3', location, credentials: { accessKeyId: 'S3RVER', secretAccessKey } }
}
const refused = (code: string) => expect.objectContaining({ code })
const text = (value: string) => Buffer.from(value)

describe('the storages of a node', () => {
  it('are the same object for the same place; with another access key, another', () => {
    const media = open()
    expect(media.of(folder)).toBe(media.of({ ...folder }))
    expect(media.of(bucket('a'))).toBe(media.of(bucket('a')))
    expect(media.of(bucket('a'))).not.toBe(media.of(bucket('b')))
    const before = media.of(bucket('a'))
    expect(media.of(bucket('a', 'another'))).not.toBe(before)
  })

  it.each([
    ['a folder', () => folder],
    ['a bucket', () => bucket('threads')],
  ])('are opened in another thread from plain data: %s', async (_what, place) => {
    const media = open()
    await media.of(place()).put('from', [text('data')])
    const workerData = { mediaDir: join(dir, 'media'), place: await media.openedPlace(place()) }
    const worker = new Worker(new URL('./media-storage-thread.ts', import.meta.url), { workerData })
    const [said] = await once(worker, 'message')
    expect(said).toBe('data')
    await worker.terminate()
    expect((await media.of(place()).read('to', { first: 0, last: 3 }))?.byteLength).toBe(4)
  })

  it('load what speaks to buckets only when one is used', () => {
    const script = `
      import { Module } from 'node:module'
      import { MediaStorage } from ${JSON.stringify(join(import.meta.dirname, '../../../src/storage/media-storage.ts'))}
      const loaded = () => Object.keys(Module._cache).filter((path) => path.includes('@aws-sdk')).length
      const media = new MediaStorage(${JSON.stringify(join(dir, 'media'))}, { allowPrivateEndpoints: true })
      await media.of(${JSON.stringify(folder)}).put('a', [Buffer.from('x')])
      const storage = media.of(${JSON.stringify(bucket('lazy'))})
      const before = loaded()
      await storage.put('a', [Buffer.from('x')]).catch(() => undefined)
      await media.stop()
      console.log(JSON.stringify({ before, isLoaded: loaded() > 0 }))`
    writeFileSync(join(dir, 'lazy.mjs'), script.replaceAll(server.url, 'http://127.0.0.1:1'))
    const out = execFileSync(process.execPath, [join(dir, 'lazy.mjs')]).toString()
    expect(JSON.parse(out)).toEqual({ before: 0, isLoaded: true })
  })

  it('open the secrets that the store keeps', async () => {
    const secrets: SecretKeeper = {
      seal: async (secret) => `sealed:${secret}`,
      open: async (stored) => stored.replace(/^sealed:/, ''),
    }
    const media = open({ allowPrivateEndpoints: true, secrets })
    const place = bucket('sealed', await secrets.seal('S3RVER', accountId))
    await media.of(place).put('a', [text('x')])
    expect((await media.openedPlace(place)).credentials?.secretAccessKey).toBe('S3RVER')
    await expect(
      open()
        .of(place)
        .put('a', [text('x')]),
    ).rejects.toMatchObject({
      code: 'STORAGE_DOWN',
      details: { name: 'SignatureDoesNotMatch' },
    })
  })

  it('without an access key take the server’s own only where that is allowed', async () => {
    const { credentials: _credentials, ...place } = bucket('bare')
    expect(() => open().of(place)).toThrow(refused('STORAGE_DOWN'))
    await expect(open().check(place)).rejects.toMatchObject({ details: { problems: [{ pointer: '/credentials' }] } })
    const environment = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }
    Object.assign(process.env, environment)
    try {
      const media = open({ allowPrivateEndpoints: true, allowServerCredentials: true })
      await media.check(place)
      await media.of(place).put('a', [text('x')])
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name]
    }
  })
})
