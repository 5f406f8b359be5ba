import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Spool } from '../../src/archive/spool/spool-folder.ts'
import { LiveBench } from '../unit/roles/live-bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'headend-disk-'))
const filler = join(folder, 'filler')
let isMounted = false
let bench: LiveBench | undefined

beforeAll(() => {
  if (process.getuid?.() !== 0) return
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'ignore' })
    isMounted = true
  } catch {
    // Not in a container without the right to.
  }
})

afterAll(async () => {
  await bench?.stop()
  if (isMounted) execFileSync('umount', [folder])
  rmSync(folder, { recursive: true })
})

function fill(): void {
  const file = openSync(filler, 'w')
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  } finally {
    closeSync(file)
  }
}

it('a full disk does not stop live; recording goes on by itself when there is room, and says what it lost', async ({
  skip,
}) => {
  if (!isMounted) skip('a small file system can only be mounted by root')
  const made = await LiveBench.start({
    // The disk does not know of virtual time: it has as much of it as it needs.
    recording: { spanMs: 20_000, queueBytes: 60_000, hotBytes: 0, syncDeadlineMs: 1_500 },
    spool: new Spool(folder, 0),
  })
  bench = made
  const { node } = made
  const { channel, live } = await made.running()
  const program = await node.program(channel)
  await live.startProgram(program)
  await made.publish(live, channel)
  const { log, recording } = node.shelf.find(program.assetId)!
  /** The disk does not know of virtual time. */
  const play = async (ms: number) => {
    for (let at = 0; at < ms; at += 1_000) {
      await made.play(1_000)
      await recording?.committed()
    }
  }
  await play(30_000)
  fill()
  expect(statfsSync(folder).bavail).toBe(0)
  const before = log.view.endSequence
  for (let minute = 0; minute < 2; minute++) {
    const from = log.view.endSequence
    await play(60_000)
    expect(log.view.endSequence).toBeGreaterThanOrEqual(from + 29)
    expect(log.fragments(log.view.endSequence - 1, 1)).toBeDefined()
    expect(recording?.queuedBytes).toBeLessThan(80_000)
  }
  expect(node.told('program.recording-degraded')).toHaveLength(1)
  expect(node.told('program.recording-recovered')).toHaveLength(0)
  unlinkSync(filler)
  await play(40_000)
  expect(node.told('program.recording-recovered')).toHaveLength(1)
  expect(node.told('program.segments-lost').length).toBeGreaterThan(0)
  const { view } = log
  const rows = Array.from({ length: view.endSequence }, (_, sequence) => view.segment(sequence)!)
  const gaps = rows.filter(({ gap }) => gap).map(({ sequence }) => sequence)
  const told = node.told('program.segments-lost').reduce((sum, { segments }) => sum + segments, 0)
  expect(gaps.length).toBeGreaterThan(20)
  expect(told).toBe(gaps.length)
  // One hole, from when the disk was full to when it had room.
  expect(gaps.at(-1)! - gaps[0]!).toBe(gaps.length - 1)
  expect(gaps[0]).toBeGreaterThanOrEqual(before - 1)
  expect(rows.slice(-15).every(({ gap }) => !gap)).toBe(true)
  const stopping = live.stopProgram(program.id)
  await made.play(3_000)
  await stopping
  await recording?.committed()
  await made.play(8_000)
  await recording?.archived
  const stored = await node.archive.load(program.assetId)
  expect(rows.map(({ sequence }) => stored?.log.view.segment(sequence))).toEqual(rows)
  stored?.log.stop()
})
