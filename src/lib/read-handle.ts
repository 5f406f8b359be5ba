import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'

/**
 * What lies below a socket or a pipe. Node documents no way to leave bytes in the kernel: a stream that is paused still
 * reads up to its high-water mark, packet by packet. These members are as old as Node's streams; where they are not there,
 * the stream is read as ever.
 */
export type ReadHandle = {
  /** Below 0 once it is closed. */
  readonly fd: number
  /** What the stream believes: false where it has stopped reading by itself. */
  readonly reading?: boolean
  readStart(): number
  readStop(): number
}

/** The handle of a plain socket or pipe that is open; `undefined` for any other stream. */
export function readHandleOf(stream: Readable): ReadHandle | undefined {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket || stream.destroyed) return undefined
  const handle = '_handle' in stream ? stream._handle : undefined
  return isReadHandle(handle) && handle.fd >= 0 ? handle : undefined
}

function isReadHandle(handle: unknown): handle is ReadHandle {
  if (typeof handle !== 'object' || handle === null) return false
  const { fd, readStart, readStop } = handle as Partial<ReadHandle>
  return typeof fd === 'number' && typeof readStart === 'function' && typeof readStop === 'function'
}
