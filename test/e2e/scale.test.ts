import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rawRequest } from '../http/raw-request.ts'
import { ApiUser, type Json } from '../support/api.ts'
import { type Encoder, publish } from '../support/ffmpeg.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { fetchMedia, playingVariant, until } from '../support/playlist.ts'

let headend: Headend
let encoder: Encoder
let user: ApiUser
let path: string

beforeAll(async () => {
  headend = await startHeadend({ config: { origin: { threads: 3, drainTime: '3s', conformanceEvery: 1 } } })
  encoder = publish(headend.publishUrl)
  user = await (await ApiUser.of(headend)).inDefaultAccount()
  const [endpoint] = (await user.ask(200, 'GET', '/v1/streaming-endpoints'))['items'] as Json[]
  path = `/v1/streaming-endpoints/${String(endpoint?.['id'])}`
}, 40_000)

afterAll(async () => {
  await encoder?.stop()
  await headend?.stop()
})

/** Viewers that keep their connections and ask again and again, by turns for a playlist and a segment; how each answer went. */
class Viewers {
  readonly outcomes = new Map<string, number>()
  readonly #agents = Array.from({ length: 12 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  readonly #watching: Promise<unknown>
  #isOver = false

  constructor(urls: readonly string[]) {
    this.#watching = Promise.all(this.#agents.map((agent) => this.#watch(agent, urls)))
  }

  get answered(): number {
    return this.outcomes.get('200') ?? 0
  }

  async leave(): Promise<void> {
    this.#isOver = true
    await this.#watching
    for (const agent of this.#agents) agent.destroy()
  }

  async #watch(agent: Agent, urls: readonly string[]): Promise<void> {
    for (let asked = 0; !this.#isOver; asked++) {
      const outcome = await rawRequest(urls[asked % urls.length] ?? '', { agent }).then(
        ({ status }) => String(status),
        (error: Error) => error.message,
      )
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    }
  }
}

const threads = () => headend.metric('headend_origin_threads')
const scale = (scaleUnits: number) => user.ask(200, 'POST', `${path}/scale?wait=20s`, { scaleUnits })
const endpoint = () => user.ask(200, 'GET', path)

describe('a streaming endpoint', () => {
  it('is scaled down and up without a request that is lost', async () => {
    const { url } = await playingVariant(headend.quickstart.hlsUrl, 3)
    const segment = (await fetchMedia(url)).segments.at(-1)?.url ?? ''
    await until('three threads', 5_000, threads, (count) => count === 3)
    const viewers = new Viewers([url, segment])
    for (const [units, count] of [
      [1, 1],
      [2, 2],
      [0, 3],
      [1, 1],
    ] as const) {
      const before = viewers.answered
      expect(await scale(units)).toMatchObject({ action: 'streaming-endpoint.scale', state: 'succeeded' })
      expect(await endpoint()).toMatchObject({ state: 'Running', scaleUnits: units })
      await until(`${count} threads`, 5_000, threads, (running) => running === count)
      await until(
        'more answers',
        5_000,
        async () => viewers.answered,
        (answered) => answered > before + 24,
      )
    }
    await viewers.leave()
    expect(Object.fromEntries(viewers.outcomes)).toEqual({ 200: viewers.answered })
    expect(viewers.answered).toBeGreaterThan(100)
  }, 30_000)

  it('is stopped, which ends what it serves, and started again with its units', async () => {
    const { hlsUrl } = headend.quickstart
    await user.ask(200, 'POST', `${path}/stop?wait=20s`)
    expect((await rawRequest(hlsUrl)).status).toBe(404)
    const refused = await user.call('POST', `${path}/scale`, { body: { scaleUnits: 2 } })
    expect(refused).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
    await user.ask(200, 'POST', `${path}/start?wait=20s`)
    expect(await endpoint()).toMatchObject({ state: 'Running', scaleUnits: 1 })
    expect((await rawRequest(hlsUrl)).status).toBe(200)
  }, 30_000)
})
