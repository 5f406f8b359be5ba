import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { costOfTree, descendants, parseRss, parseStat } from '../../../load-tests/process-cost.ts'

const STAT =
  '4242 (a ) b (c) S 17 4242 4242 0 -1 4194560 9911 55 0 0 123 45 6 7 20 0 11 0 88 1024 99 18446744073709551615'

describe('parseStat', () => {
  it('adds what the process, its threads and its dead children used, whatever its name holds', () => {
    expect(parseStat(STAT)).toEqual({ parentPid: 17, cpuSeconds: 1.81 })
  })

  it('refuses what is no such line', () => {
    expect(() => parseStat('4242 (node) S 17')).toThrow(/not a line/)
  })
})

describe('parseRss', () => {
  it('is in bytes, and 0 without memory', () => {
    expect(parseRss('Name:\tnode\nVmHWM:\t  900 kB\nVmRSS:\t  512 kB\nRssAnon:\t 1 kB\n')).toBe(524_288)
    expect(parseRss('Name:\tnode\nState:\tZ (zombie)\n')).toBe(0)
  })
})

describe('descendants', () => {
  it('finds children of children, and nobody else', () => {
    const parents = new Map([
      [5, 3],
      [3, 2],
      [2, 1],
      [9, 1],
      [4, 2],
    ])
    expect(descendants(2, parents).sort((a, b) => a - b)).toEqual([2, 3, 4, 5])
  })
})

describe('costOfTree', () => {
  it('sees what a child of a child uses', async () => {
    const busy = 'for (const end = Date.now() + 400; Date.now() < end;);'
    const inner = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(busy)}])`
    const child = spawn(process.execPath, ['-e', `${inner}; console.log('done'); setInterval(() => {}, 1000)`])
    const before = costOfTree(process.pid)
    await once(child.stdout, 'data')
    const own = costOfTree(child.pid ?? 0)
    const all = costOfTree(process.pid)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(own.cpuSeconds).toBeGreaterThan(0.1)
    expect(all.cpuSeconds - before.cpuSeconds).toBeGreaterThan(0.1)
    expect(own.rssBytes).toBeGreaterThan(10 * 2 ** 20)
    expect(() => costOfTree(child.pid ?? 0)).toThrow(/gone/)
  })
})
