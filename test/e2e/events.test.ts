import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { ApiUser } from '../support/api.ts'
import { Arrivals } from '../support/event-store.ts'
import { type Headend, startHeadend, temporaryFolder } from '../support/headend.ts'
import { isSigned, type Received, WebhookReceiver } from '../support/webhook-receiver.ts'

let dataDir: string
let headend: Headend
let api: ApiUser
let receiver: WebhookReceiver

async function start(): Promise<void> {
  const config = { events: { allowPrivateTargets: true }, bootstrap: { channels: [], programs: [] } }
  headend = await startHeadend({ dataDir, config })
  api = await (await ApiUser.of(headend)).inDefaultAccount()
}

beforeEach(async () => {
  dataDir = temporaryFolder()
  receiver = await WebhookReceiver.open()
  await start()
})
afterEach(async () => {
  await headend.stop()
  await receiver.close()
  rmSync(dataDir, { recursive: true, force: true })
})

/** Follows the WebSocket, and goes on after the last event whenever it is cut off, until it is told to end. */
function follow(apiKey: () => string, url: () => string, accountId: string) {
  const told = new Arrivals<{ readonly id: string; readonly type: string }>()
  let isEnded = false
  let socket: WebSocket | undefined
  const open = (after: string) => {
    const query = `after=${after}&types=channel.*&account=${accountId}`
    const opened = new WebSocket(`${url()}/v1/events?${query}`, { headers: { Authorization: `Bearer ${apiKey()}` } })
    socket = opened
    opened.on('message', (message) => told.push(JSON.parse(String(message))))
    opened.on('error', () => undefined)
    opened.on('close', () => {
      if (!isEnded) setTimeout(() => open(told.all.at(-1)?.id ?? after), 20)
    })
  }
  open('ev_0000000000000000')
  /** The code with which the server ends it. */
  const end = () => {
    isEnded = true
    return new Promise<number>((resolve) => socket?.once('close', resolve))
  }
  return { told, end }
}

/** Changes a channel again and again until it is told to end; how often it was acknowledged. */
async function changeUntil(path: string, isOver: () => boolean): Promise<number> {
  let changes = 0
  while (!isOver()) {
    try {
      await api.ask(200, 'PATCH', path, { description: `change ${changes}` })
      changes += 1
    } catch (error) {
      // Nobody answers while the server is dead.
      if (!isOver()) throw error
    }
  }
  return changes
}

/** The ids of all events about channels, page by page. */
async function listed(): Promise<string[]> {
  const ids: string[] = []
  let after = ''
  for (let hasMore = true; hasMore; ) {
    const page = await api.ask(200, 'GET', `/v1/events?types=channel.*&limit=300${after}`)
    ids.push(...(page['items'] as { id: string }[]).map(({ id }) => id))
    after = `&after=${page['nextAfter']}`
    hasMore = page['hasMore'] === true
  }
  return ids
}

const firstTimes = (all: readonly Received[]) => [...new Map(all.map((one) => [one.event.id, one])).values()]

describe('events of a whole Headend', () => {
  it('reach a webhook that fails for a while and a WebSocket that is cut off, through a kill and a restart', async () => {
    let failures = 0
    receiver.manner = () => {
      failures += 1
      return failures <= 6 ? 503 : 204
    }
    const body = { name: 'ops', url: receiver.url, types: ['channel.*'] }
    const subscription = await api.ask(201, 'POST', '/v1/event-subscriptions', body)
    const accountId = String(subscription['accountId'])
    const { told, end } = follow(
      () => headend.quickstart.apiKey,
      () => headend.quickstart.controlUrl.replace('http', 'ws'),
      accountId,
    )
    const paths: string[] = []
    for (const name of ['a', 'b', 'c']) {
      const channel = await api.ask(201, 'POST', '/v1/channels', { name })
      paths.push(`/v1/channels/${channel['id']}`)
    }
    let isOver = false
    const changing = paths.map((path) => changeUntil(path, () => isOver))
    await receiver.arrivals.until(() => receiver.taken.length >= 30)
    isOver = true
    const before = await headend.kill().then(() => Promise.all(changing))
    await start()
    isOver = false
    const again = paths.map((path) => changeUntil(path, () => isOver))
    const seen = receiver.taken.length
    await receiver.arrivals.until(() => receiver.taken.length >= seen + 30)
    isOver = true
    const acknowledged = [...before, ...(await Promise.all(again))].reduce((sum, count) => sum + count, 0)

    const ids = await listed()
    // A change that was made just as the server died may have been acknowledged to nobody.
    expect(ids.length).toBeGreaterThanOrEqual(acknowledged + 3)
    expect(ids.length).toBeLessThanOrEqual(acknowledged + 6)
    await receiver.arrivals.until(() => firstTimes(receiver.taken).length >= ids.length)
    const delivered = firstTimes(receiver.taken)
    expect(new Set(delivered.map(({ event }) => event.id))).toEqual(new Set(ids))
    for (const path of paths) {
      const own = delivered.filter(({ event }) => path.endsWith(event.subject.id)).map(({ event }) => event.id)
      expect(own).toEqual(ids.filter((id) => own.includes(id)))
    }
    expect(receiver.arrivals.all.every((one) => isSigned(one, String(subscription['secret'])))).toBe(true)
    expect(receiver.arrivals.all.filter(({ status }) => status === 503)).toHaveLength(6)
    await told.count(ids.length)
    expect(told.all.map(({ id }) => id)).toEqual(ids)
    expect(await headend.metric('headend_webhook_deliveries_total', 'delivered')).toBeGreaterThan(0)
    expect(await headend.metric('headend_event_clients')).toBe(1)
    const ended = end()
    expect(await headend.stop()).toBe(0)
    expect(await ended).toBe(1001)
  })
})
