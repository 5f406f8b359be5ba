import { afterEach, describe, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { fetchMaster, fetchMedia, playingVariant, until } from '../support/playlist.ts'

const started: Headend[] = []

async function start(dataDir: string): Promise<Headend> {
  const headend = await startHeadend({ dataDir, config: { bootstrap: { channels: [], programs: [] } } })
  started.push(headend)
  return headend
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((headend) => headend.kill()))
})

const idOf = (entity: Json) => String(entity['id'])

/** A channel that runs, with a program that is published. */
async function goLive(user: ApiUser, name: string) {
  const channel = await user.ask(201, 'POST', '/v1/channels', { name, output: { segmentDuration: 'PT2S' } })
  await user.operate('POST', `/v1/channels/${idOf(channel)}/start`)
  const program = await user.ask(201, 'POST', '/v1/programs', { name, channelId: idOf(channel) })
  await user.operate('POST', `/v1/programs/${idOf(program)}/start`)
  const locator = await user.ask(201, 'POST', '/v1/locators', { assetId: program['assetId'] })
  const [input] = channel['ingest'] as { streamKey: string }[]
  return { channel, program, key: String(input?.streamKey), locatorId: idOf(locator) }
}

async function listing(hlsUrl: string) {
  const [variant] = (await fetchMaster(hlsUrl)).variants
  return fetchMedia(variant?.url ?? '')
}

describe('kill -9 with three channels running while the API is written to', () => {
  it('brings them back: the same keys, the same addresses, numbers that never repeat, nothing half-written', async () => {
    const dataDir = temporaryFolder()
    const before = await start(dataDir)
    const user = await (await ApiUser.of(before)).inDefaultAccount()
    const lives = await Promise.all(['one', 'two', 'three'].map((name) => goLive(user, name)))
    const [first] = lives
    if (!first) throw new Error('nothing is live')
    const encoder = publish(`${before.quickstart.rtmpUrl}/${first.key}`)
    const { playlist: seen } = await playingVariant(
      `${before.quickstart.streamingUrl}/${first.locatorId}/index.m3u8`,
      2,
    )
    const acknowledged: string[] = []
    const writing = Array.from({ length: 4 }, async (_, writer) => {
      for (let index = 0; ; index += 1) {
        const body = { name: `asset-${writer}-${index}`, tags: { writer: String(writer) } }
        const answer = await user.call('POST', '/v1/assets', { body })
        if (answer.status === 201) acknowledged.push(idOf(answer.body))
      }
    })
    // What fails as the server goes is heard from the start.
    const written = Promise.allSettled(writing)
    await until(
      'some writes',
      20_000,
      async () => acknowledged.length,
      (count) => count >= 40,
    )
    await before.kill()
    await written
    await encoder.finished

    const after = await start(dataDir)
    const again = await (await ApiUser.of(after)).inDefaultAccount()
    for (const { channel, program, key } of lives) {
      const path = `/v1/channels/${idOf(channel)}`
      await until(
        'the channel',
        10_000,
        () => again.ask(200, 'GET', path),
        ({ state }) => state === 'Running',
      )
      const programPath = `/v1/programs/${idOf(program)}`
      await until(
        'the program',
        10_000,
        () => again.ask(200, 'GET', programPath),
        ({ state }) => state === 'Running',
      )
      const keys = await again.ask(200, 'GET', `${path}/keys`)
      expect((keys['ingest'] as { streamKey: string }[])[0]?.streamKey).toBe(key)
    }
    for (const id of acknowledged) {
      expect(await again.ask(200, 'GET', `/v1/assets/${id}`)).toMatchObject({ id, state: 'Empty' })
    }
    const back = publish(`${after.quickstart.rtmpUrl}/${first.key}`)
    const hlsUrl = `${after.quickstart.streamingUrl}/${first.locatorId}/index.m3u8`
    const { playlist: resumed } = await playingVariant(hlsUrl, seen.segments.length + 1)
    // What was listed before is listed still, and what came since has other numbers.
    const listedBefore = new Map(seen.segments.map(({ sequence, url }) => [sequence, new URL(url).pathname]))
    const listedAgain = resumed.segments.filter(({ sequence }) => listedBefore.has(sequence))
    expect(listedAgain.map(({ url, gap }) => (gap ? 'gap' : new URL(url).pathname))).toEqual(
      listedAgain.map(({ sequence }) => listedBefore.get(sequence)),
    )
    expect(listedAgain.length).toBe(seen.segments.length)
    const last = seen.segments.at(-1)?.sequence ?? 0
    expect(resumed.segments.filter(({ sequence, gap }) => sequence > last && !gap).length).toBeGreaterThan(0)
    await back.stop()
    expect((await listing(hlsUrl)).ended).toBe(false)
    expect(await after.stop()).toBe(0)
  })
})
