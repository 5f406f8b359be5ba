import { afterEach, describe, expect, it } from 'vitest'
import { LiveBench } from './live-bench.ts'

const benches: LiveBench[] = []

async function bench(options: Parameters<typeof LiveBench.start>[0] = {}): Promise<LiveBench> {
  const made = await LiveBench.start(options)
  benches.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(benches.splice(0).map((made) => made.stop()))
})

async function stopWhilePlaying<T>(made: LiveBench, stop: () => Promise<T>): Promise<T> {
  const stopping = stop()
  await made.play(3_000)
  return stopping
}

describe('programs of a running channel', () => {
  it('go on in the same presentation when their channel comes back', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(9_000)
    await live.stop()
    const log = node.shelf.find(program.assetId)?.log
    const before = log?.view.endSequence ?? 0
    expect(before).toBeGreaterThan(3)
    expect([node.shelf.find(program.assetId)?.state, log?.view.ended]).toEqual(['left', false])

    const again = await node.run(channel)
    await again.startProgram(program)
    expect(node.shelf.find(program.assetId)).toMatchObject({ state: 'growing', log })
    await made.publish(again, channel)
    await made.play(9_000)
    expect(log?.view.endSequence).toBeGreaterThan(before + 2)
    expect(log?.view.segment(before)?.discontinuitySequence).toBe(1)
    expect((await stopWhilePlaying(made, () => again.stopProgram(program.id))).durationMs).toBeGreaterThan(16_000)
    expect(log?.view.ended).toBe(true)
  })

  it('keep their URLs and never repeat a number over a restart of the node', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(9_000)
    await live.stop()
    const before = node.shelf.find(program.assetId)?.log.view
    const { epoch } = before?.header ?? {}
    // What a new process finds: the data folder, and no presentation.
    node.shelf.discard(program.assetId)
    const again = await node.run(channel)
    await again.startProgram(program)
    await made.publish(again, channel)
    await made.play(9_000)
    const after = node.shelf.find(program.assetId)?.log.view
    expect(after?.header.epoch).toBe(epoch)
    expect(after?.firstSequence).toBe(before?.endSequence)
    const tracks = after?.renditions.flatMap((rendition) => rendition.tracks.map(({ track }) => track))
    expect(tracks).toEqual([3, 4])
    await again.stop()
  })

  it('begin a new presentation when they are started again, under the same locator', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    const locator = await node.locator(program.assetId)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(9_000)
    const stopping = live.stopProgram(program.id)
    await made.play(3_000)
    await stopping
    const first = node.directory.find(locator.id)?.view
    expect(first?.ended).toBe(true)
    await live.startProgram(program)
    await made.play(9_000)
    const second = node.directory.find(locator.id)?.view
    expect(second?.ended).toBe(false)
    expect(second?.header.epoch).not.toBe(first?.header.epoch)
    expect(second?.firstSequence).toBeGreaterThanOrEqual(first?.endSequence ?? Number.NaN)
    await live.stop()
  })

  it('are started once, however often that is asked for, and never two on one asset', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    await Promise.all([live.startProgram(program), live.startProgram(program)])
    await live.startProgram(program)
    const other = await node.program(channel, { name: 'other', assetId: program.assetId })
    await expect(live.startProgram(other)).rejects.toMatchObject({ code: 'IN_USE' })
    expect(live.logs).toHaveLength(2)
    expect(await live.stopProgram(program.id)).toEqual({ tracks: [], durationMs: 0 })
    // Nothing had come in: nothing is kept.
    expect(node.shelf.find(program.assetId)).toBeUndefined()
    expect(await live.stopProgram('pr_unknown')).toEqual({ tracks: [], durationMs: 0 })
    await live.stop()
    await expect(live.startProgram(program)).rejects.toMatchObject({ code: 'STOPPED' })
  })

  it('take another rewind window while they run', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel, { rewindWindow: 'PT1M' })
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(70_000)
    const view = node.shelf.find(program.assetId)?.log.view
    const { version = 0, firstSequence = 0 } = view ?? {}
    live.updateProgram({ ...program, rewindWindow: 'PT2M' })
    expect(view?.header.rewindWindowMs).toBe(120_000)
    expect(view?.version).toBe(version + 1)
    await made.play(60_000)
    expect(view?.firstSequence).toBe(firstSequence)
    expect((await stopWhilePlaying(made, () => live.stopProgram(program.id))).durationMs).toBeGreaterThan(115_000)
    await live.stop()
  })

  it('end where their channel is meant to be stopped and did not end them', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(6_000)
    await live.stop()
    node.channels.put(channel)
    expect(node.shelf.find(program.assetId)).toMatchObject({ state: 'ended', log: { view: { ended: true } } })
  })

  it('leave room to those that ended later', async () => {
    const made = await bench({ endedBudgetBytes: 30_000 })
    const { node } = made
    const { channel, live } = await made.running()
    await made.publish(live, channel)
    const assets: string[] = []
    for (const name of ['one', 'two', 'three']) {
      const program = await node.program(channel, { name })
      assets.push(program.assetId)
      await live.startProgram(program)
      await made.play(10_000)
      await stopWhilePlaying(made, () => live.stopProgram(program.id))
      expect(node.shelf.endedBytes).toBeLessThanOrEqual(30_000)
    }
    expect(assets.map((id) => node.shelf.find(id)?.state)).toEqual([undefined, undefined, 'ended'])
    await live.stop()
  })
})
