import { afterEach, describe, expect, it } from 'vitest'
import { adMarkerCreateSchema } from '../../../src/domain/ad-marker.ts'
import type { PresentationView } from '../../../src/presentation/view.ts'
import { LiveBench } from './live-bench.ts'

const benches: LiveBench[] = []

afterEach(async () => {
  await Promise.all(benches.splice(0).map((made) => made.stop()))
})

async function onAir() {
  const made = await LiveBench.start()
  benches.push(made)
  const { channel, live } = await made.running()
  const guest = await made.publish(live, channel)
  await made.play(5_000)
  const say = (given: object) => live.adMarkers.take(adMarkerCreateSchema.parse(given)).marker
  const idsOf = (view: PresentationView | undefined) => view?.markers.map(({ id }) => id)
  return { made, channel, live, guest, say, idsOf }
}

describe('the markers of a running channel', () => {
  it('are in its preview, in every program that runs, and, unless they are over, in one that starts later', async () => {
    const { made, channel, live, say, idsOf } = await onAir()
    const first = await made.node.program(channel, { name: 'first' })
    await live.startProgram(first)
    await made.play(3_000)
    say({ type: 'splice-out', id: 'over', duration: 'PT1S' })
    say({ type: 'splice-out', id: 'now', duration: 'PT20S' })
    say({ type: 'splice-out', id: 'later', offset: 'PT1M', duration: 'PT20S' })
    await made.play(4_000)
    const second = await made.node.program(channel, { name: 'second' })
    await live.startProgram(second)
    await made.play(5_000)
    const viewOf = ({ assetId }: { readonly assetId: string }) => made.node.shelf.find(assetId)?.log.view
    expect(live.logs.map(({ view }) => idsOf(view)?.toSorted())).toEqual([
      ['later', 'now', 'over'],
      ['later', 'now'],
      ['later', 'now', 'over'],
    ])
    expect(idsOf(viewOf(second))).toEqual(['now', 'later'])
    expect(
      made.node.told('channel.ad-marker-changed').map(({ markerId, change, source }) => [markerId, change, source]),
    ).toEqual([
      ['over', 'begun', 'api'],
      ['now', 'begun', 'api'],
      ['later', 'begun', 'api'],
      ['over', 'ended', 'api'],
    ])
    await live.stop()
  })

  it('outlast a reset, which makes everything anew: a break that goes on can be ended', async () => {
    const { made, channel, live, say } = await onAir()
    await live.startProgram(await made.node.program(channel, { name: 'only' }))
    await made.play(3_000)
    say({ type: 'splice-out', id: 'b', values: { campaign: 'x' } })
    await live.reset()
    await made.publish(live, channel)
    await made.play(5_000)
    expect(say({ type: 'splice-in' })).toMatchObject({ id: 'b', state: 'ended', values: { campaign: 'x' } })
    await made.play(1_000)
    for (const { view } of live.logs) expect(view.markers).toMatchObject([{ id: 'b', revision: 1 }])
    await live.stop()
  })
})
