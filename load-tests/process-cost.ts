import { readdirSync, readFileSync } from 'node:fs'

/** What the operating system has charged to a process and all that came of it, up to now. */
export type ProcessCost = { readonly cpuSeconds: number; readonly rssBytes: number }

/** The part of `/proc/<pid>/stat` that counts, see proc(5): all threads, and children that have been waited for. */
export type ProcessStat = { readonly parentPid: number; readonly cpuSeconds: number }

/** Linux tells CPU time in hundredths of a second, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

/** Reads a line of `/proc/<pid>/stat`; the program's name in it may hold anything, blanks and brackets too. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  const ticks = field(14) + field(15) + field(16) + field(17)
  if (!Number.isFinite(ticks)) throw new Error(`not a line of /proc/<pid>/stat: ${line}`)
  return { parentPid: field(4), cpuSeconds: ticks / TICKS_PER_SECOND }
}

/** `VmRSS` of `/proc/<pid>/status` in bytes; 0 for a process that is ending and has no memory any more. */
export function parseRss(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/** `root` and everything below it. */
export function descendants(root: number, parents: ReadonlyMap<number, number>): number[] {
  const found = [root]
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child)
  return found
}

/** The cost of a running process with its threads and children. Throws when it is gone. */
export function costOfTree(root: number): ProcessCost {
  const stats = new Map<number, ProcessStat>()
  for (const entry of readdirSync('/proc')) {
    const line = /^\d+$/.test(entry) ? readIfThere(`/proc/${entry}/stat`) : undefined
    if (line !== undefined) stats.set(Number(entry), parseStat(line))
  }
  if (!stats.has(root)) throw new Error(`process ${root} is gone`)
  const parents = new Map([...stats].map(([pid, { parentPid }]) => [pid, parentPid]))
  let cpuSeconds = 0
  let rssBytes = 0
  for (const pid of descendants(root, parents)) {
    cpuSeconds += stats.get(pid)?.cpuSeconds ?? 0
    rssBytes += parseRss(readIfThere(`/proc/${pid}/status`) ?? '')
  }
  return { cpuSeconds, rssBytes }
}

/** Processes come and go while the folder is read. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
