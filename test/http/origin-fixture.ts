import type { AudioConfig, VideoConfig } from '../../src/media/media.ts'
import { type OriginOptions, type OriginPorts, OriginServer } from '../../src/origin/origin-server.ts'
import type { RequestKind } from '../../src/origin/ports.ts'
import { Presentation } from '../../src/presentation/presentation.ts'
import type { PresentationHeader, Track } from '../../src/presentation/records.ts'
import type { SegmentEvents } from '../../src/presentation/segment-events.ts'

const video: VideoConfig = {
  kind: 'video',
  codec: 'avc',
  record: new Uint8Array([1, 0x64, 0, 0x1f]),
  width: 1280,
  height: 720,
  codecString: 'avc1.64001f',
  frameRate: 25,
}
const audio: AudioConfig = {
  kind: 'audio',
  codec: 'aac',
  record: new Uint8Array([0x11, 0x90]),
  sampleRate: 48_000,
  channels: 2,
  samplesPerFrame: 1024,
  codecString: 'mp4a.40.2',
}

export const START_SECONDS = 1_700_000_000
export const SEGMENT_SECONDS = 2

function shared(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(sizeBytes))
  for (let at = 0; at < sizeBytes; at++) bytes[at] = (at * 7 + seed) & 255
  return bytes
}

/** A presentation with one video and one audio rendition, and the readers of an origin over it, all by hand. */
export class FakeLive {
  readonly presentation: Presentation
  readonly bytes = new Map<string, Uint8Array[]>()
  readonly requests: { kind: RequestKind; status: number; bytes: number }[] = []
  readonly signals: AbortSignal[] = []
  locatorId = 'Loc-1'
  published = true
  failReads = false

  constructor(header: Partial<PresentationHeader> = {}) {
    this.presentation = new Presentation({
      id: 'p1',
      epoch: 'e1',
      targetDurationMs: 2_000,
      rewindWindowMs: 60_000,
      ...header,
    })
  }

  addTracks(): this {
    const tracks: Track[] = [
      {
        track: 1,
        rendition: 'video-1',
        config: video,
        timescale: 90_000,
        init: shared(700, 1),
        bandwidth: 3_000_000,
        averageBandwidth: 2_500_000,
        nominalBitrate: 2_500_000,
        frameRate: 25,
      },
      {
        track: 2,
        rendition: 'audio-1',
        config: audio,
        timescale: 48_000,
        init: shared(600, 2),
        bandwidth: 140_000,
        averageBandwidth: 128_000,
        nominalBitrate: 128_000,
        language: 'en',
      },
    ]
    for (const track of tracks) this.presentation.apply({ type: 'track-added', track })
    return this
  }

  /** Segments of two fragments of video and one of audio; `events` stand before each. */
  addSegments(count: number, fragmentBytes = 1_000, events?: SegmentEvents): this {
    for (let added = 0; added < count; added++) {
      const sequence = this.presentation.endSequence
      const seconds = START_SECONDS + sequence * SEGMENT_SECONDS
      const at = { sequence, wallMs: seconds * 1000 }
      this.presentation.apply({
        type: 'segment-opened',
        ...at,
        discontinuitySequence: 0,
        startTicks: seconds * 90_000,
        ...(events && { events }),
      })
      for (const half of [0, 1]) {
        this.#fragment(at, 0, 1, (seconds + half) * 90_000, 90_000, shared(fragmentBytes + half, sequence))
      }
      this.#fragment(at, 1, 2, seconds * 48_000, 96_000, shared(200, sequence + 9))
      this.presentation.apply({ type: 'segment-closed', sequence, durationTicks: 180_000 })
    }
    return this
  }

  #fragment(
    at: { sequence: number; wallMs: number },
    rendition: number,
    track: number,
    startTicks: number,
    durationTicks: number,
    bytes: Uint8Array,
  ): void {
    this.presentation.apply({
      type: 'fragment',
      ...at,
      track,
      startTicks,
      durationTicks,
      sizeBytes: bytes.byteLength,
      leadingBytes: 100,
      independent: true,
    })
    const key = `${rendition}/${at.sequence}`
    this.bytes.set(key, [...(this.bytes.get(key) ?? []), bytes])
  }

  ports(): OriginPorts {
    return {
      publications: {
        find: (locatorId) =>
          this.published && locatorId.toLowerCase() === this.locatorId.toLowerCase()
            ? { locatorId: this.locatorId, manifestName: 'Stream', view: this.presentation }
            : undefined,
      },
      fragments: {
        read: (_id, rendition, sequence, signal) => {
          if (this.failReads) throw new Error('disk on fire')
          this.signals.push(signal)
          return this.bytes.get(`${rendition}/${sequence}`)
        },
      },
      observer: {
        started: () => undefined,
        request: (kind, status, bytes) => void this.requests.push({ kind, status, bytes }),
      },
    }
  }

  joined(rendition: number, sequence: number): Buffer {
    return Buffer.concat(this.bytes.get(`${rendition}/${sequence}`) ?? [])
  }
}

export async function startOrigin(
  live: FakeLive,
  options: Partial<OriginOptions> = {},
  ports: Partial<OriginPorts> = {},
): Promise<{ server: OriginServer; port: number; base: string }> {
  const server = new OriginServer({ host: '127.0.0.1', port: 0, ...options }, { ...live.ports(), ...ports })
  const { port } = await server.start()
  return { server, port, base: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}` }
}
