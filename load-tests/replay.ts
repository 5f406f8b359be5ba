import { encodeChunks } from '../src/media/rtmp/chunk-writer.ts'
import type { FlvMessage } from '../test/support/flv-file.ts'

/** A message in chunks, apart from its first header, which each publisher writes with a timestamp of its own. */
export type ReplayMessage = { readonly atMs: number; readonly header: Uint8Array; readonly body: Uint8Array }

/** What is sent once, and what is sent again and again. */
export type Replay = {
  readonly intro: readonly ReplayMessage[]
  readonly loop: readonly ReplayMessage[]
  readonly loopMs: number
}

/** A one-byte basic header and a type 0 message header (Adobe RTMP 1.0 §5.3.1). */
const HEADER_BYTES = 12
const STREAM_ID = 1
/** The last timestamp that needs no extended field: four and a half hours. */
const MAX_TIMESTAMP_MS = 0xfffffe

function isSequenceHeader({ messageType, payload }: FlvMessage): boolean {
  if (messageType === 18) return false
  const isAac = messageType === 8 && (payload[0] ?? 0) >>> 4 === 10
  return (messageType === 9 || isAac) && payload[1] === 0
}

/**
 * Audio and video of a file apart into sequence headers and `loopMs` from the first key frame at which there is sound, which
 * becomes time 0; the rest is left out. So neither picture nor sound has a hole where the loop is joined.
 */
function splitLoop(messages: readonly FlvMessage[], loopMs: number): { intro: FlvMessage[]; loop: FlvMessage[] } {
  const media = messages.filter((message) => message.messageType !== 18 && !isSequenceHeader(message))
  const soundMs = media.find(({ messageType }) => messageType === 8)?.timestampMs ?? 0
  const startMs = media.find((message) => isKeyFrame(message) && message.timestampMs >= soundMs)?.timestampMs ?? 0
  return {
    intro: messages.filter(isSequenceHeader).map((message) => ({ ...message, timestampMs: 0 })),
    loop: media
      .filter(({ timestampMs }) => timestampMs >= startMs && timestampMs < startMs + loopMs)
      .map((message) => ({ ...message, timestampMs: message.timestampMs - startMs })),
  }
}

function isKeyFrame({ messageType, payload }: FlvMessage): boolean {
  return messageType === 9 && (payload[0] ?? 0) >>> 4 === 1
}

/** The loop `times` over, with running timestamps. */
export function repeatLoop(messages: readonly FlvMessage[], loopMs: number, times: number): FlvMessage[] {
  const { intro, loop } = splitLoop(messages, loopMs)
  const turns = Array.from({ length: times }, (_, turn) =>
    loop.map((message) => ({ ...message, timestampMs: message.timestampMs + turn * loopMs })),
  )
  return [...intro, ...turns.flat()]
}

/** Cuts a file's messages into chunks once, for any number of publishers. */
export function buildReplay(messages: readonly FlvMessage[], loopMs: number, chunkSize: number): Replay {
  const { intro, loop } = splitLoop(messages, loopMs)
  const chunk = ({ messageType, timestampMs, payload }: FlvMessage): ReplayMessage => {
    const chunkStreamId = messageType === 9 ? 6 : 4
    const bytes = encodeChunks(
      { chunkStreamId, type: messageType, streamId: STREAM_ID, timestampMs, payload },
      chunkSize,
    )
    return { atMs: timestampMs, header: bytes.subarray(0, HEADER_BYTES), body: bytes.subarray(HEADER_BYTES) }
  }
  return { intro: intro.map(chunk), loop: loop.map(chunk), loopMs }
}

/** The message's first header with another timestamp. */
export function headerAt(message: ReplayMessage, timestampMs: number): Uint8Array {
  if (timestampMs > MAX_TIMESTAMP_MS) throw new Error('a replay lasts four and a half hours at most')
  const header = Uint8Array.from(message.header)
  header[1] = timestampMs >>> 16
  header[2] = timestampMs >>> 8
  header[3] = timestampMs
  return header
}

/** One publisher's place in the loop. */
export class ReplayCursor {
  readonly #replay: Replay
  #turn = 0
  #index = 0

  constructor(replay: Replay) {
    if (replay.loop.length === 0) throw new Error('nothing to replay')
    this.#replay = replay
  }

  /** When the next message is due: its timestamp, in milliseconds from the start. */
  get dueMs(): number {
    return this.#turn * this.#replay.loopMs + this.#message.atMs
  }

  /** The next message as it goes onto the wire, in two pieces of which the second is shared. */
  take(): readonly [header: Uint8Array, body: Uint8Array] {
    const message = this.#message
    const header = headerAt(message, this.dueMs)
    this.#index += 1
    if (this.#index === this.#replay.loop.length) {
      this.#index = 0
      this.#turn += 1
    }
    return [header, message.body]
  }

  get #message(): ReplayMessage {
    return this.#replay.loop[this.#index] as ReplayMessage
  }
}
