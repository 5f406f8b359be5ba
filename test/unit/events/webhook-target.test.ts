import { describe, expect, it } from 'vitest'
import { type TargetAddress, WebhookTargets } from '../../../src/events/webhook-target.ts'

const never = new AbortController().signal
const found: readonly TargetAddress[] = [{ address: '8.8.8.8', family: 4 }]

/** Name servers that answer when they are told to. */
function slowNames() {
  const asked: string[] = []
  const answers = new Map<string, () => void>()
  const resolve = (hostname: string) => {
    asked.push(hostname)
    return new Promise<readonly TargetAddress[]>((done) => answers.set(hostname, () => done(found)))
  }
  return { asked, resolve, answer: (hostname: string) => answers.get(hostname)?.() }
}

describe('the targets of webhooks', () => {
  it('resolve names as the machine does', async () => {
    const targets = new WebhookTargets({ allowPrivate: true })
    const addresses = await targets.addresses(new URL('http://localhost:1/'), never)
    expect(addresses.length).toBeGreaterThan(0)
    for (const { address } of addresses) expect(['127.0.0.1', '::1']).toContain(address)
    const strict = new WebhookTargets({ allowPrivate: false })
    await expect(strict.addresses(new URL('http://localhost:1/'), never)).rejects.toMatchObject({
      code: 'TARGET_REFUSED',
    })
  })

  it('ask for a name once at a time, for two names at once, and for no address', async () => {
    const names = slowNames()
    const targets = new WebhookTargets({ allowPrivate: false, resolve: names.resolve })
    const ask = (host: string) => targets.addresses(new URL(`http://${host}/`), never)
    const asking = [ask('a.example'), ask('a.example'), ask('b.example'), ask('c.example')]
    expect(await ask('8.8.4.4')).toEqual([{ address: '8.8.4.4', family: 4 }])
    expect(await ask('[2606:4700::1111]')).toEqual([{ address: '2606:4700::1111', family: 6 }])
    expect(names.asked).toEqual(['a.example', 'b.example'])
    names.answer('a.example')
    expect(await asking[1]).toEqual(found)
    await new Promise((resolve) => setImmediate(resolve))
    expect(names.asked).toEqual(['a.example', 'b.example', 'c.example'])
    names.answer('b.example')
    names.answer('c.example')
    await Promise.all(asking)
  })

  it('let who waits for a name leave', async () => {
    const names = slowNames()
    const targets = new WebhookTargets({ allowPrivate: false, resolve: names.resolve })
    const leaving = new AbortController()
    const asking = targets.addresses(new URL('http://a.example/'), leaving.signal)
    const staying = targets.addresses(new URL('http://a.example/'), never)
    leaving.abort(new Error('left'))
    await expect(asking).rejects.toThrow('left')
    await new Promise((resolve) => setImmediate(resolve))
    names.answer('a.example')
    expect(await staying).toEqual(found)
  })
})
