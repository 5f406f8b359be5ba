import { performance } from 'node:perf_hooks'
import { RtmpPublisher } from '../test/support/rtmp-publisher.ts'
import { LOOP_MS, readLoop } from './media-source.ts'
import type { PublisherOrder, PublisherReply, StreamReport } from './publishers.ts'
import { buildReplay, headerAt, type Replay, ReplayCursor } from './replay.ts'

/** Publishes many streams from one file, each on a socket of its own, in real time. Runs until its parent goes or asks it to. */

/** OBS's chunk size and ffmpeg's, by turns. */
const CHUNK_SIZES = [4_096, 60_000]
/** Key frames of the streams are spread over this time. */
const GOP_MS = 2_000
/** More than this unsent: the server doesn't read, and the measurement is void. */
const MAX_UNSENT_BYTES = 8 * 2 ** 20

class Stream {
  readonly #publisher: RtmpPublisher
  readonly #replay: Replay
  readonly #cursor: ReplayCursor
  readonly #startMs: number
  #sentBytes = 0
  #sentMs = 0
  #latestMs = 0
  #isOpen = true

  constructor(publisher: RtmpPublisher, replay: Replay, startMs: number) {
    this.#publisher = publisher
    this.#replay = replay
    this.#cursor = new ReplayCursor(replay)
    this.#startMs = startMs
    void publisher.closed.then(() => {
      this.#isOpen = false
    })
  }

  /** Sends what is due and says when it wants to be called again. */
  send(nowMs: number): number {
    if (!this.#isOpen) return Number.POSITIVE_INFINITY
    if (this.#sentBytes === 0 && nowMs >= this.#startMs) {
      for (const message of this.#replay.intro) this.#write(headerAt(message, 0), message.body)
    }
    let dueMs = this.#startMs + this.#cursor.dueMs
    while (dueMs <= nowMs) {
      this.#latestMs = Math.max(this.#latestMs, nowMs - dueMs)
      this.#sentMs = this.#cursor.dueMs
      this.#write(...this.#cursor.take())
      dueMs = this.#startMs + this.#cursor.dueMs
    }
    return dueMs
  }

  get report(): StreamReport {
    const { socket } = this.#publisher
    return {
      isPublishing: this.#isOpen && socket.writableLength < MAX_UNSENT_BYTES,
      sentSeconds: this.#sentMs / 1_000,
      sentBytes: this.#sentBytes,
      latestMs: this.#latestMs,
    }
  }

  /** One message, one system call, as encoders do it. */
  #write(header: Uint8Array, body: Uint8Array): void {
    const { socket } = this.#publisher
    if (socket.writableLength > MAX_UNSENT_BYTES) return
    socket.cork()
    socket.write(header)
    socket.write(body)
    socket.uncork()
    this.#sentBytes += header.byteLength + body.byteLength
  }
}

async function publish({ host, port, names, file }: PublisherOrder): Promise<Stream[]> {
  const messages = readLoop(file)
  const replays = CHUNK_SIZES.map((chunkSize) => ({ chunkSize, replay: buildReplay(messages, LOOP_MS, chunkSize) }))
  const publishers = await Promise.all(
    names.map((streamName, index) => {
      const { chunkSize = 4_096 } = replays[index % replays.length] ?? {}
      return RtmpPublisher.publish({ host, port, app: 'live', streamName, chunkSize })
    }),
  )
  const startMs = performance.now()
  return publishers.map((publisher, index) => {
    const { replay } = replays[index % replays.length] as (typeof replays)[number]
    return new Stream(publisher, replay, startMs + (index * GOP_MS) / publishers.length)
  })
}

function keepSending(streams: readonly Stream[]): void {
  const nowMs = performance.now()
  let nextMs = nowMs + GOP_MS
  for (const stream of streams) nextMs = Math.min(nextMs, stream.send(nowMs))
  setTimeout(() => keepSending(streams), Math.max(1, nextMs - performance.now()))
}

const reply = (message: PublisherReply) => process.send?.(message)

process.once('disconnect', () => process.exit(0))
process.once('message', (order: PublisherOrder) => {
  publish(order).then(
    (streams) => {
      keepSending(streams)
      process.on('message', () => reply({ kind: 'report', streams: streams.map((stream) => stream.report) }))
      reply({ kind: 'publishing' })
    },
    (error: unknown) => reply({ kind: 'failed', message: String(error) }),
  )
})
