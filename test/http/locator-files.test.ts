import { describe, expect, it } from 'vitest'
import { stopApisAfterEach } from './api-harness.ts'
import { announce, type Bench, bench, put } from './asset-bench.ts'

stopApisAfterEach()

async function pathsOf({ api, key }: Bench, locatorId: string): Promise<string[]> {
  const { json } = await api.call('GET', `/v1/locators/${locatorId}/paths`, { key })
  return (json.paths as { path: string }[]).map(({ path }) => path)
}

describe('the paths of a locator of uploaded files', () => {
  it('are there as soon as one that can be played is uploaded, and go by the name of the primary one', async () => {
    const it = await bench()
    const { api, key, asset } = it
    const { json: locator } = await api.call('POST', '/v1/locators', { key, body: { assetId: asset } })
    await put(it, await announce(it, { name: 'notes.txt' }), 'none')
    const film = await announce(it, { name: 'film.mp4' })
    expect(await pathsOf(it, locator.id)).toEqual([])
    await put(it, film, 'bytes')
    const paths = await pathsOf(it, locator.id)
    expect(paths.slice(0, 3)).toEqual([
      `/${locator.id}/index.m3u8`,
      `/${locator.id}/index.mpd`,
      `/${locator.id}/film.ism/manifest(format=m3u8-cmaf)`,
    ])
    const kitchen = await announce(it, { name: 'Küche #1.mov', isPrimary: true })
    await put(it, kitchen, 'bytes')
    const renamed = await pathsOf(it, locator.id)
    expect(renamed[2]).toBe(`/${locator.id}/K%C3%BCche%20%231.ism/manifest(format=m3u8-cmaf)`)
    expect(renamed).toHaveLength(paths.length)
    for (const file of [film, kitchen]) await api.call('DELETE', file.path, { key })
    expect(await pathsOf(it, locator.id)).toEqual([])
  })
})
