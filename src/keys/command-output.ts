import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { Clock } from '../lib/clock.ts'

/** How a command is run. */
export type CommandLimits = {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal: AbortSignal
}

const SHOWN_CHARACTERS = 200

/**
 * What a program prints, run without a shell and with nothing to read. It is a process group of its own, and killed with all of
 * its children at the deadline, when it prints too much, and when the signal is aborted.
 *
 * @throws Error that says what went wrong, never what was printed to standard output
 */
export function commandOutput([program = '', ...args]: readonly string[], limits: CommandLimits): Promise<string> {
  const { clock, timeoutMs, maxBytes, signal } = limits
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const output = collect(child.stdout, maxBytes, () => end(new Error(`it prints more than ${maxBytes} bytes`)))
    const complaint = collect(child.stderr, maxBytes, () => undefined)
    const onAbort = () => end(signal.reason)
    const deadline = clock.after(timeoutMs, () => end(new Error(`it has not ended within ${timeoutMs} ms`)))
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = () => {
      deadline.cancel()
      signal.removeEventListener('abort', onAbort)
    }
    const end = (error: unknown) => {
      settle()
      killGroup(child.pid)
      child.stdout.destroy()
      child.stderr.destroy()
      reject(error)
    }
    child.once('error', end)
    child.once('close', (code, killedBy) => {
      settle()
      if (code === 0) return resolve(output())
      const said = complaint().trim().slice(-SHOWN_CHARACTERS)
      reject(new Error(`it ended with ${killedBy ?? code}${said === '' ? '' : `: ${said}`}`))
    })
  })
}

/** Gives the text until then; `onTooMuch` is called once, and nothing more is kept. */
function collect(stream: Readable, maxBytes: number, onTooMuch: () => void): () => string {
  const chunks: Uint8Array[] = []
  let left = maxBytes
  stream.on('data', (chunk: Uint8Array) => {
    if (left < 0) return
    left -= chunk.byteLength
    if (left < 0) onTooMuch()
    else chunks.push(chunk)
  })
  stream.on('error', () => undefined)
  return () => Buffer.concat(chunks).toString('utf8')
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
