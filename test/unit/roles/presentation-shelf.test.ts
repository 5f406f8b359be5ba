import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { FragmentMemory } from '../../../src/log/fragment-memory.ts'
import { LogDirectory } from '../../../src/log/log-directory.ts'
import type { PresentationLog } from '../../../src/log/presentation-log.ts'
import { PresentationShelf } from '../../../src/roles/presentation-shelf.ts'
import { testTrack } from '../../contract/log-fixture.ts'

const owner = { accountId: 'ac', channelId: 'ch', manifestName: 'manifest' }

function shelf(endedBytes = 1_000) {
  const memory = new FragmentMemory({ regionBytes: 1 << 20 })
  const directory = new LogDirectory({ memory, clock: new VirtualClock() })
  const made = new PresentationShelf({ logBytes: 1 << 20, endedBytes }, { directory, memory, logger: silentLogger })
  const heard: string[] = []
  made.subscribe({ opened: (id) => void heard.push(`+${id}`), closed: (id) => void heard.push(`-${id}`) })
  const open = (id: string, bytes = 0) => {
    const log = made.open({ id, epoch: 'e', targetDurationMs: 2_000, rewindWindowMs: 60_000 }, owner)
    if (bytes > 0) fill(log, bytes)
    return log
  }
  return { made, memory, heard, open }
}

/** One segment of so many bytes. */
function fill(log: PresentationLog, sizeBytes: number, isClosed = true): void {
  const row = { sequence: 0, discontinuitySequence: 0, startTicks: 90_000, wallMs: 1_000 }
  log.append({ type: 'track-added', track: testTrack(1, 'video-1', 'video') })
  log.append({ type: 'segment-opened', ...row })
  const fragment = { sequence: 0, track: 1, startTicks: 90_000, durationTicks: 90_000, leadingBytes: 1, wallMs: 1_000 }
  log.append({ type: 'fragment', ...fragment, sizeBytes, independent: true }, new Uint8Array(sizeBytes))
  if (isClosed) log.append({ type: 'segment-closed', sequence: 0, durationTicks: 90_000 })
}

describe('PresentationShelf', () => {
  it('keeps what has ended until there is no room, what ended first going first', () => {
    const { made, memory, heard, open } = shelf(1_000)
    for (const id of ['a', 'b', 'c']) open(id, 400)
    made.end('b')
    made.end('a')
    expect(made.endedBytes).toBe(800)
    made.end('c')
    expect([...made.all].map(({ log, state }) => `${log.id} ${state}`)).toEqual(['a ended', 'c ended'])
    expect(heard).toEqual(['+a', '+b', '+c', '-b'])
    made.discard('a')
    made.discard('c')
    expect(memory.usedBytes).toBe(0)
  })

  it('keeps nothing of what nothing came into', () => {
    const { made, open } = shelf()
    open('empty')
    made.end('empty')
    expect(made.find('empty')).toBeUndefined()
  })

  it('lets one channel at a time write a presentation, and a later one take its place', () => {
    const { made, heard, open } = shelf()
    const first = open('a', 100)
    expect(() => open('a')).toThrow(expect.objectContaining({ code: 'IN_USE' }))
    made.leave('a')
    expect(made.find('a')).toMatchObject({ state: 'left', log: first })
    made.resume('a', { ...owner, manifestName: 'other' })
    expect(made.find('a')).toMatchObject({ state: 'growing', manifestName: 'other', log: first })
    expect(() => made.assertFree('a')).toThrow('Another program')
    made.end('a')
    expect(open('a')).not.toBe(first)
    expect(heard).toEqual(['+a', '+a', '-a', '+a'])
  })

  it('ends what a channel has left, and drops what can not be ended', () => {
    const { made, open } = shelf()
    const whole = open('whole', 100)
    const torn = open('torn')
    fill(torn, 100, false)
    open('foreign', 100)
    for (const id of ['whole', 'torn']) made.leave(id)
    made.endLeft('another-channel')
    expect(whole.view.ended).toBe(false)
    made.endLeft('ch')
    expect(made.find('whole')).toMatchObject({ state: 'ended', log: { view: { ended: true } } })
    expect(made.find('torn')).toBeUndefined()
    expect(made.find('foreign')?.state).toBe('growing')
  })

  it('counts what was left among what has ended, and bounds how many there are', () => {
    const { made, open } = shelf(1e6)
    for (let n = 0; n < 1_005; n++) {
      open(`p${n}`, 1)
      made.leave(`p${n}`)
    }
    expect([...made.all]).toHaveLength(1_000)
    expect(made.find('p4')).toBeUndefined()
    expect(made.find('p5')).toBeDefined()
  })

  it('tells who comes later of what is there, and nothing when it stops', async () => {
    const { made, open, heard } = shelf()
    open('a', 10)
    const late: string[] = []
    const end = made.subscribe({ opened: (id) => void late.push(id), closed: () => void late.push('closed') })
    end()
    open('b')
    expect(late).toEqual(['a'])
    await made.stop()
    expect(heard).toEqual(['+a', '+b'])
  })
})
