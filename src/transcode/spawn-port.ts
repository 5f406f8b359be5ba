import { spawn } from 'node:child_process'
import { Readable, Writable } from 'node:stream'

/** How a process ended: `error` where it never ran. */
export type ProcessEnd = { readonly code: number | null; readonly signal: string | null; readonly error?: Error }

/** A running process with its pipes, or one that failed to start (`ended` then says so). */
export type SpawnedProcess = {
  readonly pid: number | undefined
  readonly stdin: Writable
  readonly stderr: Readable
  /** File descriptors 3 and on, as many as were asked for. */
  readonly pipes: readonly Readable[]
  /** Resolves, never rejects, when the process is gone and reaped; its pipes may still hold bytes. */
  readonly ended: Promise<ProcessEnd>
  /** Signals the whole process group; nothing happens once it is gone. */
  signalGroup(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** Starts `path` with `pipeCount` pipes from descriptor 3 on. Never throws: a failed start is told by `ended`. */
export type SpawnPort = (path: string, args: readonly string[], pipeCount: number) => SpawnedProcess

function failedProcess(error: Error): SpawnedProcess {
  return {
    pid: undefined,
    stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
    stderr: Readable.from([]),
    pipes: [],
    ended: Promise.resolve({ code: null, signal: null, error }),
    signalGroup: () => undefined,
  }
}

function isReadable(stream: unknown): stream is Readable {
  return stream instanceof Readable
}

/** Real processes, each the leader of its own group, so that no signal for the server reaches it and none of its kin is left. */
export const spawnProcess: SpawnPort = (path, args, pipeCount) => {
  try {
    const stdio = ['pipe', 'ignore', 'pipe', ...new Array<'pipe'>(pipeCount).fill('pipe')] as const
    const child = spawn(path, [...args], { detached: true, stdio: [...stdio] })
    let gone = false
    const ended = new Promise<ProcessEnd>((resolve) => {
      child.once('error', (error) => {
        // An error after the start is a signal that couldn't be sent: the end itself is still to come.
        if (child.pid === undefined) resolve({ code: null, signal: null, error })
      })
      child.once('exit', (code, signal) => {
        gone = true
        resolve({ code, signal })
      })
    })
    const { stdin, stderr } = child
    if (!stdin || !stderr) return failedProcess(new Error('no pipes'))
    return {
      pid: child.pid,
      stdin,
      stderr,
      pipes: child.stdio.slice(3).filter(isReadable),
      ended,
      signalGroup(signal) {
        // Once it is reaped its number may be somebody else's.
        if (gone || child.pid === undefined) return
        try {
          process.kill(-child.pid, signal)
        } catch {
          // It ended this very moment.
        }
      },
    }
  } catch (cause) {
    return failedProcess(cause instanceof Error ? cause : new Error(String(cause)))
  }
}
