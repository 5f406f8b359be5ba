import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { BlobStorage } from '../../src/domain/blob-storage.ts'
import { AppError } from '../../src/lib/errors.ts'
import { until } from '../support/playlist.ts'
import { stopApisAfterEach } from './api-harness.ts'
import { announce, type Bench, bench, blobPath, put } from './asset-bench.ts'

stopApisAfterEach()

describe('an upload that does not end', () => {
  /** Sends the head of an upload and some bytes by hand, and gives the socket. */
  async function begin({ api, key }: Bench, file: { path: string }) {
    const { hostname, port } = new URL(api.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(
      `PUT ${file.path}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Length: 1000\r\n\r\nhalf`,
    )
    const state = async () => (await api.call('GET', file.path, { key })).json?.state
    await until('the upload', 5_000, state, (now) => now === 'Uploading')
    return { socket, state }
  }

  it('is Failed when the client goes away, with nothing of it left', async () => {
    const it = await bench()
    const file = await announce(it)
    const { socket, state } = await begin(it, file)
    expect((await put(it, file, 'other')).json).toMatchObject({ code: 'STATE_CONFLICT' })
    socket.destroy()
    await until('its end', 5_000, state, (now) => now === 'Failed')
    await it.api.janitor.idle()
    expect(existsSync(blobPath(it, file.id))).toBe(false)
    expect(await it.api.repository.count('storage-task', 'system')).toBe(0)
    expect((await put(it, file, 'whole')).status).toBe(200)
  })

  it('leaves nothing behind when the file is deleted meanwhile', async () => {
    const it = await bench()
    const file = await announce(it)
    const { socket } = await begin(it, file)
    expect((await it.api.call('DELETE', file.path, { key: it.key })).status).toBe(204)
    const ended = new Promise((resolve) => socket.once('data', (data) => resolve(data.toString())))
    socket.write('x'.repeat(996))
    expect(await ended).toMatch(/^HTTP\/1.1 404/)
    socket.destroy()
    await it.api.janitor.idle()
    expect(existsSync(blobPath(it, file.id))).toBe(false)
    expect(await it.api.repository.count('storage-task', 'system')).toBe(0)
  })

  it('because the process died is found Failed by the next one', async () => {
    const tasks = { nudge: () => undefined, holdUpload: () => undefined, releaseUpload: () => undefined }
    const it = await bench({ deps: { storageTasks: tasks } })
    const file = await announce(it)
    const { socket, state } = await begin(it, file)
    // The janitor of this bench was never told of the upload, as that of a process that has just started is not.
    it.api.janitor.nudge()
    await it.api.janitor.idle()
    expect(await state()).toBe('Failed')
    expect(await it.api.repository.count('storage-task', 'system')).toBe(0)
    socket.destroy()
  })

  it('because the disk is full answers 503 and is Failed', async () => {
    const full: BlobStorage = {
      put: async () => {
        throw new AppError('STORAGE_FULL', 'There is no room left for writing it.')
      },
      read: async () => undefined,
      readRange: async () => undefined,
      async *list() {
        // Nothing is kept.
      },
      delete: async () => undefined,
      copy: async () => false,
    }
    const it = await bench({ deps: { assetStorages: { of: async () => full } } })
    const file = await announce(it)
    const refused = await put(it, file, 'x')
    expect(refused).toMatchObject({ status: 503, json: { code: 'STORAGE_FULL' } })
    expect(refused.headers.get('retry-after')).not.toBeNull()
    expect((await it.api.call('GET', file.path, { key: it.key })).json.state).toBe('Failed')
  })
})
