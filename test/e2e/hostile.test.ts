import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChannelHouse, keyOf, startChannels } from '../support/channels.ts'
import { temporaryFolder } from '../support/headend.ts'
import { until } from '../support/playlist.ts'
import { type HostileTarget, halfHandshakes, zeroLengthVideo } from '../support/rtmp-hostile.ts'
import { RtmpPublisher } from '../support/rtmp-publisher.ts'
import {
  assaults,
  collectGarbage,
  frameHashes,
  GoodStream,
  harass,
  makeSource,
  offences,
  residentBytes,
} from '../support/siege.ts'

const SECONDS = 20
const MAX_PER_ADDRESS = 320
const HALF_HANDSHAKES = 360
const MAX_GROWTH_BYTES = 50e6

const folder = temporaryFolder()
const source = join(folder, 'source.flv')
let house: ChannelHouse
let target: HostileTarget
let good: GoodStream
let baselineBytes: number

const lines = () => house.headend.lines()
const counted = (kind: string) => house.headend.metric('headend_ingest_offences_total', `kind="${kind}"`)

beforeAll(async () => {
  await makeSource(source, SECONDS)
  const plans = { good: {}, target: { channel: { takeover: 'replace' } } }
  const ingest = { maxConnectionsPerAddress: MAX_PER_ADDRESS, handshakeTimeout: '2s' }
  house = await startChannels(plans, { nodeArgs: ['--inspect=0'], config: { ingest } })
  target = { host: '127.0.0.1', port: house.headend.rtmpPort, app: 'live', streamName: keyOf('target') }
  good = new GoodStream(`${house.headend.quickstart.rtmpUrl}/${keyOf('good')}`, house.at('good').hlsUrl, source)
  await good.playing()
  const friend = await RtmpPublisher.publish(target)
  await friend.close()
  await collectGarbage(house.headend)
  baselineBytes = residentBytes(house.headend.pid)
})

afterAll(async () => {
  expect(await house.headend.stop()).toBe(0)
  rmSync(folder, { recursive: true, force: true })
})

describe('hostile encoders beside a good stream', () => {
  it.each(Object.entries(assaults))('%s is named once for each connection, and counted', async (_name, assault) => {
    const { attack, connections, offence } = assault
    const [before, countBefore] = [lines().length, await counted(offence)]
    await attack(target)
    const named = await until(
      `${connections} offences`,
      10_000,
      async () => offences(lines().slice(before)),
      (list) => list.length >= connections,
    )
    expect(named.map(({ offence: kind, level }) => `${level} ${kind}`)).toEqual(
      Array.from({ length: connections }, () => `warn ${offence}`),
    )
    expect(new Set(named.map(({ session }) => session)).size).toBe(connections)
    expect((await counted(offence)) - countBefore).toBeGreaterThanOrEqual(connections)
  })

  it('an empty video message is no offence, and ends nothing', async () => {
    const before = lines().length
    expect(await zeroLengthVideo(target)).toEqual({ closedByServer: false })
    const said = await until(
      'the end of the session',
      10_000,
      async () => lines().slice(before),
      (list) => list.some(({ msg }) => msg === 'publish ended'),
    )
    expect(offences(said)).toEqual([])
    expect(said.filter(({ msg }) => msg === 'publish ended')).toMatchObject([{ reason: 'disconnected' }])
  })

  it('random bytes at every stage, and a good publish byte by byte', async () => {
    const before = lines().length
    await harass(target, source, [1, 2, 3])
    const started = () =>
      lines()
        .slice(before)
        .filter(({ msg }) => msg === 'publish started')
    const list = await until(
      'the publishes',
      10_000,
      async () => started(),
      (all) => all.length === 7,
    )
    // The last came byte by byte, and nothing was wrong with it.
    const ofLast = lines().filter(({ session }) => session === list.at(-1)?.['session'])
    expect(offences(ofLast)).toEqual([])
  })

  it('half handshakes take no more than their number, and are shut out in time', async () => {
    const before = lines().length
    const refusedBefore = await house.headend.metric('headend_ingest_refused_connections_total', 'per-address')
    const closed = await halfHandshakes(target, HALF_HANDSHAKES, 4_000)
    expect(closed).toBe(HALF_HANDSHAKES)
    const refused = await house.headend.metric('headend_ingest_refused_connections_total', 'per-address')
    // One place is the good encoder's.
    const admitted = MAX_PER_ADDRESS - 1
    expect(refused - refusedBefore).toBe(HALF_HANDSHAKES - admitted)
    const said = lines().slice(before)
    const late = offences(said).filter(({ offence }) => offence === 'handshake-timeout')
    expect([late.length, new Set(late.map(({ session }) => session)).size]).toEqual([admitted, admitted])
    expect(said.filter(({ msg }) => msg === 'rtmp connections refused at the limit').length).toBeLessThanOrEqual(2)
    expect(await counted('handshake-timeout')).toBe(admitted)
  })

  it('leave room for the next encoder at once, and nothing behind', async () => {
    const startMs = performance.now()
    const next = await RtmpPublisher.publish(target)
    expect(performance.now() - startMs).toBeLessThan(2_000)
    await next.close()
    await collectGarbage(house.headend)
    const grownBytes = residentBytes(house.headend.pid) - baselineBytes
    expect(grownBytes).toBeLessThan(MAX_GROWTH_BYTES)
    const connections = await until(
      'the attackers to be gone',
      10_000,
      () => house.headend.metric('headend_ingest_connections', 'protocol="rtmp"'),
      (count) => count <= 1,
    )
    expect(connections).toBeLessThanOrEqual(1)
  })

  it('took nothing from the good stream', async () => {
    const { v, a } = await good.collected(SECONDS)
    expect((await good.encoder.finished).code).toBe(0)
    for (const [stream, bytes] of [
      ['v', v],
      ['a', a],
    ] as const) {
      const file = join(folder, `served-${stream}.mp4`)
      writeFileSync(file, bytes)
      const sent = await frameHashes(source, stream)
      expect(sent.length).toBeGreaterThan(SECONDS * 20)
      expect(await frameHashes(file, stream)).toEqual(sent)
    }
    expect(lines().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
    const keys = offences(lines()).map(({ session, offence }) => `${session} ${offence}`)
    expect(new Set(keys).size).toBe(keys.length)
    const ends = lines().filter(({ msg, channel }) => msg === 'publish ended' && channel === 'good')
    expect(ends).toMatchObject([{ reason: 'unpublished' }])
  })
})
