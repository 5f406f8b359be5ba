import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { keyOf, startChannels } from '../support/channels.ts'
import { temporaryFolder } from '../support/headend.ts'
import { until } from '../support/playlist.ts'
import { halfHandshakes, zeroLengthVideo } from '../support/rtmp-hostile.ts'
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

const SECONDS = 120
const ROUNDS = 5
const HALF_HANDSHAKES = 2_000
const MAX_GROWTH_BYTES = 50e6

it('all hostile inputs, five times over, and 2,000 idle half handshakes take nothing from a good stream', async () => {
  const folder = temporaryFolder()
  const source = join(folder, 'source.flv')
  await makeSource(source, SECONDS)
  const ingest = { maxConnections: 3_000, maxConnectionsPerAddress: 3_000, handshakeTimeout: '10s' }
  const plans = { good: {}, target: { channel: { takeover: 'replace' } } }
  const house = await startChannels(plans, { nodeArgs: ['--inspect=0'], config: { ingest } })
  const { headend } = house
  const target = { host: '127.0.0.1', port: headend.rtmpPort, app: 'live', streamName: keyOf('target') }
  const good = new GoodStream(`${headend.quickstart.rtmpUrl}/${keyOf('good')}`, house.at('good').hlsUrl, source)
  await good.playing()
  await (await RtmpPublisher.publish(target)).close()
  await collectGarbage(headend)
  const baselineBytes = residentBytes(headend.pid)

  for (let round = 0; round < ROUNDS; round++) {
    for (const { attack } of Object.values(assaults)) await attack(target)
    await zeroLengthVideo(target)
    await harass(target, source, [3 * round + 1, 3 * round + 2, 3 * round + 3])
  }
  expect(await halfHandshakes(target, HALF_HANDSHAKES, 15_000)).toBe(HALF_HANDSHAKES)

  const startMs = performance.now()
  await (await RtmpPublisher.publish(target)).close()
  expect(performance.now() - startMs).toBeLessThan(2_000)
  await until(
    'the attackers to be gone',
    30_000,
    () => headend.metric('headend_ingest_connections', 'protocol="rtmp"'),
    (count) => count <= 1,
  )
  await collectGarbage(headend)
  const grownBytes = residentBytes(headend.pid) - baselineBytes
  console.log(`resident memory: ${(baselineBytes / 1e6).toFixed(0)} MB, grown by ${(grownBytes / 1e6).toFixed(1)} MB`)
  expect(grownBytes).toBeLessThan(MAX_GROWTH_BYTES)

  const named = offences(headend.lines())
  const keys = named.map(({ session, offence }) => `${session} ${offence}`)
  expect(new Set(keys).size).toBe(keys.length)
  expect(named.filter(({ offence }) => offence === 'handshake-timeout')).toHaveLength(HALF_HANDSHAKES)
  const connections = Object.values(assaults).reduce((sum, assault) => sum + assault.connections, 0)
  expect(named.length).toBeGreaterThanOrEqual(HALF_HANDSHAKES + ROUNDS * connections)
  expect(headend.lines().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])

  const { v, a } = await good.collected(SECONDS)
  for (const [stream, bytes] of [
    ['v', v],
    ['a', a],
  ] as const) {
    const file = join(folder, `served-${stream}.mp4`)
    writeFileSync(file, bytes)
    expect(await frameHashes(file, stream)).toEqual(await frameHashes(source, stream))
  }
  expect(await headend.stop()).toBe(0)
  rmSync(folder, { recursive: true, force: true })
})
