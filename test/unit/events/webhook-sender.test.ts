import { setDefaultCACertificates } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebhookSender } from '../../../src/events/webhook-sender.ts'
import { type ResolveName, WebhookTargets } from '../../../src/events/webhook-target.ts'
import { type Clock, systemClock, VirtualClock } from '../../../src/lib/clock.ts'
import { certificate } from '../../support/certificate.ts'
import { otherAccount, sampleEvent } from '../../support/event-store.ts'
import { isSigned, WebhookReceiver } from '../../support/webhook-receiver.ts'

let receiver: WebhookReceiver
let asked: string[]

const localhost: ResolveName = async (hostname) => {
  asked.push(hostname)
  return [{ address: '127.0.0.1', family: 4 }]
}
const never = new AbortController().signal
const secret = 'a secret of sixteen or more'
const event = { id: 'ev_0000000000000042', ...sampleEvent(otherAccount(), 'a', 'öffentlich') }
const post = { secret, eventId: event.id, eventType: event.type, attempt: 3, body: JSON.stringify(event) }

function sender(
  options: { resolve?: ResolveName; allowPrivate?: boolean; clock?: Clock; timeoutMs?: number } = {},
): WebhookSender {
  const { resolve = localhost, allowPrivate = true, clock = systemClock, timeoutMs = 30_000 } = options
  return new WebhookSender({ targets: new WebhookTargets({ allowPrivate, resolve }), clock, timeoutMs })
}

beforeEach(async () => {
  asked = []
  receiver = await WebhookReceiver.open()
})
afterEach(() => receiver.close())

describe('posting an event', () => {
  it('says what it is, signed, under the URL’s host name', async () => {
    const url = `http://hooks.example:${receiver.port}/a/b?c=d`
    expect(await sender().post({ ...post, url }, never)).toMatchObject({ outcome: 'delivered', status: 204 })
    const [received] = receiver.arrivals.all
    expect(received?.body).toBe(post.body)
    expect(received?.headers).toMatchObject({
      host: `hooks.example:${receiver.port}`,
      'content-type': 'application/json',
      'headend-event-id': event.id,
      'headend-event-type': 'channel.input-lost',
      'headend-delivery-attempt': '3',
    })
    expect(received && isSigned(received, secret)).toBe(true)
    expect(received && isSigned(received, 'another secret')).toBe(false)
    expect(asked).toEqual(['hooks.example'])
  })

  it('takes any 2xx for a delivery, and nothing else', async () => {
    for (const [status, outcome] of [
      [200, 'delivered'],
      [299, 'delivered'],
      [301, 'failed'],
      [307, 'failed'],
      [404, 'failed'],
      [410, 'failed'],
      [500, 'failed'],
    ] as const) {
      receiver.manner = (_received, response) => {
        response.setHeader('Location', '/elsewhere')
        return status
      }
      expect(await sender().post({ ...post, url: receiver.url }, never)).toMatchObject({ outcome, status })
    }
    expect(receiver.arrivals.all).toHaveLength(7)
  })

  it('asks for the addresses once, and connects to these', async () => {
    let answers = 0
    const rebinding: ResolveName = async () => {
      answers += 1
      return [{ address: answers === 1 ? '127.0.0.1' : '192.0.2.1', family: 4 }]
    }
    const url = `http://rebinding.example:${receiver.port}/`
    expect(await sender({ resolve: rebinding }).post({ ...post, url }, never)).toMatchObject({ outcome: 'delivered' })
    expect(answers).toBe(1)
  })

  it.each([
    ['a private address', [{ address: '10.0.0.1', family: 4 }]],
    ['loopback', [{ address: '127.0.0.1', family: 4 }]],
    ['the metadata service', [{ address: '169.254.169.254', family: 4 }]],
    ['IPv6 loopback', [{ address: '::1', family: 6 }]],
    ['an IPv4-mapped address', [{ address: '::ffff:127.0.0.1', family: 6 }]],
    ['NAT64 of a private address', [{ address: '64:ff9b::a00:1', family: 6 }]],
    [
      'public and private ones',
      [
        { address: '8.8.8.8', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
    ],
  ] as const)('refuses a name that leads to %s', async (_what, addresses) => {
    const strict = sender({ allowPrivate: false, resolve: async () => addresses })
    const url = `http://hooks.example:${receiver.port}/`
    const result = await strict.post({ ...post, url }, never)
    expect(result.outcome).toBe('refused')
    expect(result.detail).toContain('hooks.example resolves to')
    expect(receiver.arrivals.all).toEqual([])
  })

  it.each(['127.0.0.1', '0x7f.1', '2130706433', '127.1', '[::1]', '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]', '0'])(
    'refuses http://%s without asking anybody',
    async (host) => {
      const url = `http://${host}:${receiver.port}/`
      expect(await sender({ allowPrivate: false }).post({ ...post, url }, never)).toMatchObject({ outcome: 'refused' })
      expect(asked).toEqual([])
      expect(receiver.arrivals.all).toEqual([])
    },
  )

  it('fails where the name is unknown or nobody listens', async () => {
    const unknown: ResolveName = async () => Promise.reject(new Error('getaddrinfo ENOTFOUND'))
    const result = await sender({ resolve: unknown }).post({ ...post, url: 'http://nowhere.example/' }, never)
    expect(result).toEqual({
      outcome: 'failed',
      detail: 'The receiver could not be reached: getaddrinfo ENOTFOUND.',
    })
    const { url } = receiver
    await receiver.close()
    expect(await sender().post({ ...post, url }, never)).toMatchObject({
      outcome: 'failed',
      detail: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('gives up on a receiver that takes too long, and on a name server that does', async () => {
    const clock = new VirtualClock()
    receiver.manner = () => undefined
    const late = sender({ clock, timeoutMs: 10_000 }).post({ ...post, url: receiver.url }, never)
    await receiver.arrivals.count(1)
    await clock.advance(10_000)
    expect(await late).toEqual({ outcome: 'failed', detail: 'The receiver did not answer within 10 s.' })
    const resolve = () => new Promise<never>(() => undefined)
    const unresolved = sender({ clock, resolve, timeoutMs: 10_000 }).post(
      { ...post, url: 'http://slow.example/' },
      never,
    )
    await clock.advance(10_000)
    expect(await unresolved).toMatchObject({ outcome: 'failed', detail: 'The receiver did not answer within 10 s.' })
  })

  it('is called back by the signal', async () => {
    const caller = new AbortController()
    receiver.manner = () => undefined
    const posting = sender().post({ ...post, url: receiver.url }, caller.signal)
    await receiver.arrivals.count(1)
    caller.abort(new Error('called back'))
    await expect(posting).rejects.toThrow('called back')
  })

  it('reads no more of an answer than 64 KiB', async () => {
    let sentBytes = 0
    const gone = Promise.withResolvers<void>()
    receiver.manner = (_received, response) => {
      response.once('close', () => gone.resolve())
      const more = (error?: Error | null) => {
        if (error || response.destroyed || sentBytes > 100_000_000) return
        sentBytes += 65_536
        response.write(Buffer.alloc(65_536), more)
      }
      response.writeHead(200)
      more()
      return undefined
    }
    expect(await sender().post({ ...post, url: receiver.url }, never)).toMatchObject({ outcome: 'delivered' })
    await gone.promise
    expect(sentBytes).toBeLessThan(100_000_000)
  })

  it('takes the status at its word, whatever becomes of the rest of the answer', async () => {
    receiver.manner = (_received, response) => {
      response.writeHead(200, { 'Content-Length': '1000' })
      response.write('x', () => response.destroy())
      return undefined
    }
    expect(await sender().post({ ...post, url: receiver.url }, never)).toMatchObject({ outcome: 'delivered' })
    const clock = new VirtualClock()
    const begun = Promise.withResolvers<void>()
    receiver.manner = (_received, response) => {
      response.writeHead(503)
      response.write('x', () => begun.resolve())
      return undefined
    }
    const posting = sender({ clock, timeoutMs: 10_000 }).post({ ...post, url: receiver.url }, never)
    await begun.promise
    await clock.advance(10_000)
    expect((await posting).outcome).toBe('failed')
    receiver.manner = (_received, response) => {
      response.destroy()
      return undefined
    }
    expect(await sender().post({ ...post, url: receiver.url }, never)).toMatchObject({ outcome: 'failed' })
  })

  it('speaks TLS as the URL says, and only with who the name belongs to', async () => {
    const material = certificate('hooks.example')
    const secure = await WebhookReceiver.open(material)
    const url = `https://hooks.example:${secure.port}/`
    expect(await sender().post({ ...post, url }, never)).toMatchObject({
      outcome: 'failed',
      detail: expect.stringContaining('self-signed'),
    })
    setDefaultCACertificates([material.cert.toString()])
    expect(await sender().post({ ...post, url }, never)).toMatchObject({ outcome: 'delivered' })
    const other = `https://other.example:${secure.port}/`
    expect(await sender().post({ ...post, url: other }, never)).toMatchObject({
      outcome: 'failed',
      detail: expect.stringContaining('altnames'),
    })
    expect(secure.arrivals.all).toHaveLength(1)
    await secure.close()
  })
})
