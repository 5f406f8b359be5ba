import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { assertPublicHost, publicLookup } from '../../../src/storage/endpoint-guard.ts'

const refused = expect.objectContaining({ code: 'TARGET_REFUSED' })

describe('the guard of endpoints', () => {
  it.each([
    'http://127.0.0.1:9000',
    'http://[::1]:9000',
    'http://10.0.0.1',
    'https://169.254.169.254',
    'http://localhost:9000',
    'http://minio.localhost',
    'http://[::ffff:10.0.0.1]',
    'http://2130706433',
  ])('refuses %s', (url) => {
    expect(() => assertPublicHost(url)).toThrow(refused)
  })

  it.each(['https://s3.example.com', 'http://8.8.8.8', 'https://[2606:4700::1111]'])('lets %s pass', (url) => {
    expect(() => assertPublicHost(url)).not.toThrow()
  })

  it('refuses a name that leads to an address that is not public, however it is asked', async () => {
    const look = promisify(publicLookup)
    await expect(look('localhost', { all: true })).rejects.toEqual(refused)
    await expect(look('localhost', {})).rejects.toEqual(refused)
    await expect(look('no-such-host.invalid', {})).rejects.toMatchObject({ code: expect.stringMatching(/^E/) })
  })
})
