import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiUser, type Json } from '../support/api.ts'
import { publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { fetchMaster, fetchMedia, playingVariant } from '../support/playlist.ts'

const LOCATOR = '3f0f6a52-55c1-4f6e-9d7a-0b8f5f1f9a10'

let headend: Headend

beforeAll(async () => {
  headend = await startHeadend({ config: { bootstrap: { channels: [], programs: [] } } })
})
afterAll(() => headend.stop())

const idOf = (entity: Json) => String(entity['id'])

/** What was cut so far: the first rendition's playlist. */
async function recording(hlsUrl: string) {
  const [variant] = (await fetchMaster(hlsUrl)).variants
  return fetchMedia(variant?.url ?? '')
}

describe('the whole life over HTTP', () => {
  it('account, channel, encoder, program, locator chosen in advance, playing, the end of each', async () => {
    const system = await ApiUser.of(headend)
    const account = await system.ask(201, 'POST', '/v1/accounts', { name: 'studio' })
    const inside = system.as({ account: idOf(account) })
    const { apiKey } = await inside.ask(201, 'POST', '/v1/credentials', { name: 'ops', role: 'operator' })
    const user = system.as({ apiKey: String(apiKey) })

    const channel = await user.ask(201, 'POST', '/v1/channels', { name: 'stage', output: { segmentDuration: 'PT2S' } })
    expect(channel).toMatchObject({ state: 'Stopped', accountId: idOf(account) })
    const channelPath = `/v1/channels/${idOf(channel)}`
    await user.operate('POST', `${channelPath}/start`)
    expect(await user.ask(200, 'GET', channelPath)).toMatchObject({ state: 'Running', desiredState: 'Running' })
    expect((await user.call('POST', `${channelPath}/start`)).status).toBe(409)

    const [input] = channel['ingest'] as { url: string; streamKey: string }[]
    const encoder = publish(`${input?.url}/${input?.streamKey}`)

    const program = await user.ask(201, 'POST', '/v1/programs', { name: 'news', channelId: idOf(channel) })
    const programPath = `/v1/programs/${idOf(program)}`
    const assetPath = `/v1/assets/${String(program['assetId'])}`
    const locator = await user.ask(201, 'POST', '/v1/locators', { id: LOCATOR, assetId: program['assetId'] })
    expect(locator).toMatchObject({ id: LOCATOR, status: 'active' })
    const paths = await user.ask(200, 'GET', `/v1/locators/${LOCATOR}/paths`)
    const [{ url: hlsUrl } = { url: '' }] = paths['paths'] as { url: string }[]
    expect(hlsUrl).toContain(LOCATOR)
    // The address is known before there is anything behind it.
    expect((await fetch(hlsUrl)).status).toBe(404)

    await user.operate('POST', `${programPath}/start`)
    expect(await user.ask(200, 'GET', assetPath)).toMatchObject({ state: 'Recording' })
    await playingVariant(hlsUrl, 2)
    const live = await user.ask(200, 'GET', channelPath)
    expect(live).toMatchObject({ health: { status: 'good' } })
    expect((await playingVariant(String(live['previewUrl']), 1)).playlist.ended).toBe(false)
    expect(await user.ask(200, 'GET', `${channelPath}/preview`)).toMatchObject({ hlsUrl: live['previewUrl'] })

    expect((await user.call('POST', `${channelPath}/stop`)).body).toMatchObject({ code: 'IN_USE' })
    await user.operate('POST', `${programPath}/stop`)
    const ended = await recording(hlsUrl)
    expect(ended.ended).toBe(true)
    expect(ended.segments.length).toBeGreaterThanOrEqual(2)
    const asset = await user.ask(200, 'GET', assetPath)
    expect(asset).toMatchObject({ state: 'Ready' })
    expect((asset['tracks'] as Json[]).map(({ kind }) => kind)).toEqual(expect.arrayContaining(['audio', 'video']))

    expect((await user.call('DELETE', channelPath)).body).toMatchObject({ code: 'STATE_CONFLICT' })
    await user.ask(204, 'DELETE', programPath)
    expect(await recording(hlsUrl)).toMatchObject({ ended: true })
    await user.operate('POST', `${channelPath}/stop`)
    expect((await encoder.finished).code).not.toBeNull()
    await user.ask(204, 'DELETE', channelPath)

    expect((await user.call('DELETE', assetPath)).body).toMatchObject({ code: 'IN_USE' })
    await user.ask(204, 'DELETE', `/v1/locators/${LOCATOR}`)
    expect((await fetch(hlsUrl)).status).toBe(404)
    await user.ask(204, 'DELETE', assetPath)
    for (const path of [channelPath, programPath, assetPath, `/v1/locators/${LOCATOR}`]) {
      expect((await user.call('GET', path)).status).toBe(404)
    }
    const told = (await user.ask(200, 'GET', '/v1/events?limit=1000'))['items'] as { type: string }[]
    const types = told.map(({ type }) => type)
    for (const type of [
      'channel.created',
      'channel.encoder-connected',
      'program.state-changed',
      'asset.state-changed',
      'channel.deleted',
    ]) {
      expect(types).toContain(type)
    }
  })

  it('turns an encoder away whose channel is not running, and says so', async () => {
    const user = await (await ApiUser.of(headend)).inDefaultAccount()
    const channel = await user.ask(201, 'POST', '/v1/channels', { name: 'silent' })
    const [input] = channel['ingest'] as { url: string; streamKey: string }[]
    const { code, stderr } = await publish(`${input?.url}/${input?.streamKey}`).finished
    expect(code).not.toBe(0)
    expect(stderr).toContain('not running')
    const told = (await user.ask(200, 'GET', '/v1/events?types=channel.encoder-rejected'))['items'] as Json[]
    expect(told).toMatchObject([{ subject: { id: idOf(channel) }, data: { reason: 'not-running' } }])
  })
})
