import { afterEach, describe, expect, it } from 'vitest'
import type { PresentationView } from '../../../src/presentation/view.ts'
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

  it('take what the channel still holds when their start was before now', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    await made.publish(live, channel)
    await made.play(21_000)
    const startMs = made.clock.now() - 9_000
    const late = await node.program(channel, { name: 'late', startAt: new Date(startMs).toISOString() })
    const now = await node.program(channel, { name: 'now' })
    for (const program of [late, now]) await live.startProgram(program)
    await made.play(9_000)
    const viewOf = ({ assetId }: { readonly assetId: string }) => node.shelf.find(assetId)?.log.view as PresentationView
    const [past, present] = [viewOf(late), viewOf(now)]
    // The segment that was under way then is the first one.
    const first = past.segment(0)
    expect(first?.wallMs).toBeLessThanOrEqual(startMs)
    expect((first?.wallMs ?? 0) + (first?.durationTicks ?? 0) / 90).toBeGreaterThan(startMs)
    expect(past.endSequence).toBeGreaterThan(present.endSequence + 3)
    // From then on both have the same, and the first has its media without a hole.
    const offset = past.endSequence - present.endSequence
    for (let sequence = 0; sequence < present.endSequence; sequence++) {
      const [one, other] = [past.renditionSegment(0, sequence + offset), present.renditionSegment(0, sequence)]
      expect([one?.startTicks, one?.sizeBytes]).toEqual([other?.startTicks, other?.sizeBytes])
    }
    for (let sequence = 1; sequence < past.endSequence; sequence++) {
      const before = past.renditionSegment(0, sequence - 1)
      expect(past.renditionSegment(0, sequence)?.startTicks).toBe(
        (before?.startTicks ?? 0) + (before?.durationTicks ?? 0),
      )
    }
    const ends = await stopWhilePlaying(made, () => Promise.all([late, now].map(({ id }) => live.stopProgram(id))))
    expect(ends[0]?.durationMs).toBeGreaterThan((ends[1]?.durationMs ?? 0) + 6_000)
    await live.stop()
  })

  it('keep their URLs and their numbers over a restart of the node, with everything before still listed', async () => {
    const made = await bench({ recording: { spanMs: 6_000 } })
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(15_000)
    await live.stop()
    const before = node.shelf.find(program.assetId)?.log.view as PresentationView
    const { endSequence, header } = before
    const rows = Array.from({ length: endSequence }, (_, sequence) => before.segment(sequence))
    // What a new process finds: the data folder, and no presentation.
    await node.shelf.stop()
    await node.shelf.recover()
    expect(node.shelf.find(program.assetId)).toMatchObject({ state: 'left', channelId: channel.id })
    const again = await node.run(channel)
    await again.startProgram(program)
    await made.publish(again, channel)
    await made.play(9_000)
    const after = node.shelf.find(program.assetId)?.log.view as PresentationView
    expect(after).not.toBe(before)
    expect(after.header.epoch).toBe(header.epoch)
    expect(after.firstSequence).toBe(0)
    expect(rows.map((_, sequence) => after.segment(sequence))).toEqual(rows)
    expect(after.endSequence).toBeGreaterThan(endSequence + 2)
    expect(after.segment(after.endSequence - 1)?.discontinuitySequence).toBe(1)
    const tracks = after.renditions.flatMap((rendition) => rendition.tracks.map(({ track }) => track))
    expect(tracks).toEqual([1, 3, 2, 4])
    await again.stop()
  })

  it('go on in the same presentation when they are started again after their end, under the same locator', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    const locator = await node.locator(program.assetId)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(9_000)
    await stopWhilePlaying(made, () => live.stopProgram(program.id))
    const view = node.directory.find(locator.id)?.view as PresentationView
    const { endSequence, version } = view
    expect([view.ended, view.archived]).toEqual([true, false])
    await live.startProgram(program)
    await made.play(9_000)
    expect(node.directory.find(locator.id)?.view).toBe(view)
    expect([view.ended, view.firstSequence, view.header.resumptions]).toEqual([false, 0, 1])
    expect(view.version).toBeGreaterThan(version)
    expect(view.segment(endSequence)).toMatchObject({ discontinuitySequence: 1, gap: false })
    expect(view.endSequence).toBeGreaterThan(endSequence + 2)
    await live.stop()
  })

  it('are archived in storage after their end, loaded again on demand, and go on from there', async () => {
    const made = await bench()
    const { node } = made
    const { channel, live } = await made.running()
    const program = await node.program(channel)
    const locator = await node.locator(program.assetId)
    await live.startProgram(program)
    await made.publish(live, channel)
    await made.play(9_000)
    await stopWhilePlaying(made, () => live.stopProgram(program.id))
    const { recording } = node.shelf.find(program.assetId)!
    await made.play(6_000)
    await recording?.archived
    const view = node.shelf.find(program.assetId)?.log.view as PresentationView
    expect(node.shelf.find(program.assetId)).toMatchObject({ state: 'archived', recording: undefined })
    const rows = Array.from({ length: view.endSequence }, (_, sequence) => view.segment(sequence))
    await node.shelf.stop()
    expect(node.directory.find(locator.id)).toBeUndefined()
    expect(await node.shelf.load(program.assetId, program.accountId)).toBe(true)
    await node.publisher.published(program.assetId)
    const loaded = node.directory.find(locator.id)?.view as PresentationView
    expect(loaded).toMatchObject({ ended: true, archived: true, firstSequence: 0, endSequence: rows.length })
    expect(rows.map((_, sequence) => loaded.segment(sequence))).toEqual(rows)
    expect(loaded.header.epoch).toBe(view.header.epoch)
    await live.startProgram(program)
    await made.play(9_000)
    expect(loaded).toMatchObject({ ended: false, archived: false, firstSequence: 0 })
    expect(loaded.endSequence).toBeGreaterThan(rows.length + 2)
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
    const { recording } = node.shelf.find(program.assetId)!
    node.channels.put(channel)
    await recording?.settled()
    await new Promise((resolve) => setImmediate(resolve))
    expect(node.shelf.find(program.assetId)).toMatchObject({ state: 'ended', log: { view: { ended: true } } })
  })

  it('keep in memory what is not on the disk alone', async () => {
    const made = await bench({ recording: { hotBytes: 0 } })
    const { node } = made
    const { channel, live } = await made.running()
    await made.publish(live, channel)
    for (const name of ['one', 'two', 'three']) {
      const program = await node.program(channel, { name })
      await live.startProgram(program)
      await made.play(20_000)
      const { log, recording } = node.shelf.find(program.assetId)!
      // The disk takes its time, which is not the virtual one.
      await recording?.committed()
      await made.play(2_000)
      await recording?.committed()
      expect(log.view.endSequence).toBeGreaterThan(9)
      expect(log.view.endSequence - log.hotSequence).toBeLessThanOrEqual(4)
      await stopWhilePlaying(made, () => live.stopProgram(program.id))
    }
    await live.stop()
  })
})
