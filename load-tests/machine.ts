import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'

/** What the figures were measured on. */
export type Machine = {
  readonly cores: number
  readonly processor: string
  readonly node: string
  readonly ffmpeg: string
}

export function describeMachine(): Machine {
  const [line = ''] = execFileSync('ffmpeg', ['-version'], { encoding: 'utf8' }).split('\n')
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    ffmpeg: /ffmpeg version (\S+)/.exec(line)?.[1] ?? line,
  }
}
