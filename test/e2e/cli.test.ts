import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { type Headend, startHeadend } from '../support/headend.ts'
import { until } from '../support/playlist.ts'

let headend: Headend

beforeAll(async () => {
  headend = await startHeadend()
})
afterAll(() => headend.stop())

type Said = { readonly code: number; readonly out: string; readonly err: string }

/** One command line, as it was typed; by the environment it knows where to go. */
async function headendSays(line: string, signal = new AbortController().signal, seen: string[] = []): Promise<Said> {
  const { controlUrl, apiKey } = headend.quickstart
  const complaints: string[] = []
  const terminal = {
    out: (text: string) => void seen.push(text),
    err: (text: string) => void complaints.push(text),
    env: { HEADEND_URL: controlUrl, HEADEND_API_KEY: apiKey },
    signal,
  }
  const code = await run(line.split(' '), terminal)
  return { code, out: seen.join('\n'), err: complaints.join('\n') }
}

async function json<T>(line: string): Promise<T> {
  const { code, out, err } = await headendSays(`${line} --json`)
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out) as T
}

describe('the command line', () => {
  it('takes a channel through its life, a program and a locator with it', async () => {
    const made = await headendSays('channel create stage --latency low --segment 2s')
    expect(made.out).toMatch(/^State +Stopped$/m)
    expect(made.out).toMatch(/^Stream key +\S{20,}$/m)
    expect((await headendSays('channel start stage')).out).toMatch(/^The channel stage runs\.$/m)
    const channels = await json<{ name: string; state: string }[]>('channel list')
    expect(channels.find(({ name }) => name === 'stage')).toMatchObject({ state: 'Running', latency: 'low' })
    const program = await json<{ state: string }>('program create news --channel stage --rewind 30m --start')
    expect(program).toMatchObject({ state: 'Running', rewindWindow: 'PT30M' })
    const published = await headendSays('locator create news')
    expect(published.out).toMatch(/^HLS +http:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]{36}\/index\.m3u8$/m)
    expect((await headendSays('program list --channel stage')).out).toMatch(/^news +Running +stage /m)

    const busy = await headendSays('channel stop stage')
    expect([busy.code, busy.err]).toEqual([1, 'headend: Programs of this channel are not stopped: news.'])
    expect((await headendSays('program stop news')).out).toMatch(/^The program news is stopped\.$/m)
    expect((await headendSays('channel delete stage --force')).out).toBe('The channel stage is deleted.')
    expect((await headendSays('channel show stage')).err).toBe('headend: There is no channel called stage.')
  })

  it('follows events until it is told to end', async () => {
    const enough = new AbortController()
    const lines: string[] = []
    const tail = headendSays('events tail --type channel.created,channel.deleted', enough.signal, lines)
    const names: string[] = []
    await until(
      'an event that was followed',
      15_000,
      async () => {
        names.push(`seen-${names.length}`)
        await json(`channel create ${names.at(-1)}`)
        return lines
      },
      (seen) => seen.length > 0,
    )
    expect(lines[0]).toMatch(/^\d{4}-\S+Z {2}channel\.created +seen-\d+$/)
    enough.abort()
    expect((await tail).code).toBe(0)
  })

  it('says what is wrong and how it is done', async () => {
    expect(await headendSays('channel start')).toMatchObject({
      code: 2,
      err: expect.stringContaining('headend channel start CHANNEL'),
    })
    expect(await headendSays('channel list --colour')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--colour'),
    })
    expect(await headendSays('program create x')).toMatchObject({
      code: 1,
      err: 'headend: Which channel? Name it: --channel CHANNEL',
    })
    const strange = await headendSays('channel create ../x')
    const terminal = { out: () => undefined, err: (text: string) => void complaints.push(text), env: {} }
    const complaints: string[] = []
    const line = ['channel', 'list', '--url', 'http://127.0.0.1:2', '--data-dir', headend.dataDir]
    expect(await run(line, { ...terminal, signal: AbortSignal.timeout(10_000) })).toBe(1)
    // The key of the Headend that runs here goes nowhere else.
    expect(complaints).toEqual(['headend: Which key for http://127.0.0.1:2? Give --key, or set HEADEND_API_KEY.'])
    expect(strange.err).toContain('/name: must be 1 to 128 letters')
    const elsewhere = await headendSays('channel list --url http://127.0.0.1:1')
    expect(elsewhere).toMatchObject({
      code: 1,
      err: expect.stringContaining('Headend does not answer at http://127.0.0.1:1'),
    })
    const stranger = await headendSays(`channel list --key hk_${'0'.repeat(22)}_${'0'.repeat(43)}`)
    expect(stranger.err).toContain('Headend does not know this key.')
  })
})
