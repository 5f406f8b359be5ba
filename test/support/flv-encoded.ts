import { execFileSync } from 'node:child_process'
import { ByteReader } from '../../src/lib/bytes.ts'

/** A coded sample out of ffmpeg. */
export type EncodedSample = {
  readonly dtsMs: number
  readonly compositionMs: number
  readonly durationTicks: number
  readonly sync: boolean
  readonly data: Uint8Array
}

/** A track that ffmpeg encoded: what a publisher has in hand before it makes messages of it. */
export type EncodedTrack = {
  /** The sample entry: avc1, hvc1, av01, vp09, mp4a, Opus, fLaC, ac-3, ec-3. */
  readonly entry: string
  /** The payload of the configuration box; the AudioSpecificConfig for mp4a. */
  readonly record: Uint8Array
  readonly timescale: number
  readonly samples: readonly EncodedSample[]
}

export type Encoded = { readonly file: Buffer; readonly tracks: readonly EncodedTrack[] }

type Defaults = { duration: number; size: number; flags: number }
type Building = { entry: string; record: Uint8Array; timescale: number; samples: EncodedSample[]; defaults: Defaults }

const FRAGMENTED = [
  '-movflags',
  '+frag_every_frame+delay_moov+default_base_moof',
  '-strict',
  '-2',
  '-f',
  'mp4',
  'pipe:1',
]
const NOT_SYNC = 0x10000

/** Runs ffmpeg with these inputs and codec options and reads its fragmented MP4. */
export function encode(args: readonly string[]): Encoded {
  const file = ffmpeg([...args, ...FRAGMENTED])
  return { file, tracks: readFragmentedMp4(file) }
}

/** Runs ffmpeg and gives what it writes to `pipe:1`. */
export function ffmpeg(args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...args], {
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  })
}

/** What ffprobe says of the first stream of a file. */
export function probe(file: Uint8Array): Record<string, unknown> {
  const text = execFileSync('ffprobe', ['-v', 'error', '-show_streams', '-of', 'json', '-'], { input: file })
  return JSON.parse(text.toString()).streams[0]
}

type Box = { readonly type: string; readonly body: Uint8Array }

function boxes(bytes: Uint8Array): Box[] {
  const reader = new ByteReader(bytes, 'mp4')
  const found: Box[] = []
  while (reader.remaining > 0) {
    const size = reader.u32()
    const type = reader.ascii(4)
    found.push({ type, body: size === 0 ? reader.rest() : reader.take(size - 8) })
  }
  return found
}

function child(bytes: Uint8Array, ...path: readonly string[]): Uint8Array {
  let at = bytes
  for (const type of path) {
    const box = boxes(at).find((candidate) => candidate.type === type)
    if (box === undefined) throw new Error(`no ${type} in ffmpeg's file`)
    at = box.body
  }
  return at
}

function readFragmentedMp4(file: Uint8Array): EncodedTrack[] {
  const tracks = new Map<number, Building>()
  let fragment: Uint8Array | undefined
  for (const { type, body } of boxes(file)) {
    if (type === 'moov') readMovie(body, tracks)
    if (type === 'moof') fragment = body
    if (type === 'mdat' && fragment !== undefined) readFragment(fragment, body, tracks)
  }
  return [...tracks.values()]
}

function readMovie(moov: Uint8Array, tracks: Map<number, Building>): void {
  for (const trak of boxes(moov).filter((box) => box.type === 'trak')) {
    const tkhd = new ByteReader(child(trak.body, 'tkhd'), 'tkhd')
    tkhd.skip(tkhd.u8() === 1 ? 3 + 16 : 3 + 8)
    const mdhd = new ByteReader(child(trak.body, 'mdia', 'mdhd'), 'mdhd')
    mdhd.skip(mdhd.u8() === 1 ? 3 + 16 : 3 + 8)
    const [entry] = boxes(child(trak.body, 'mdia', 'minf', 'stbl', 'stsd').subarray(8))
    const video = boxes(child(trak.body, 'mdia', 'minf')).some((box) => box.type === 'vmhd')
    const [configuration] = boxes(entry!.body.subarray(video ? 78 : 28))
    const record = entry!.type === 'mp4a' ? specificConfig(configuration!.body) : configuration!.body
    const timescale = mdhd.u32()
    const defaults = { duration: 0, size: 0, flags: 0 }
    tracks.set(tkhd.u32(), { entry: entry!.type, record, timescale, samples: [], defaults })
  }
  for (const { type, body } of boxes(child(moov, 'mvex'))) {
    if (type !== 'trex') continue
    const trex = new ByteReader(body, 'trex')
    trex.skip(4)
    const track = tracks.get(trex.u32())!
    trex.skip(4)
    track.defaults = { duration: trex.u32(), size: trex.u32(), flags: trex.u32() }
  }
}

/** The DecoderSpecificInfo in `esds`: descriptors 3, 4 and 5 within each other; empty where there is none (MP3). */
function specificConfig(esds: Uint8Array): Uint8Array {
  const reader = new ByteReader(esds, 'esds')
  reader.skip(4)
  for (;;) {
    if (reader.remaining === 0) return new Uint8Array(0)
    const tag = reader.u8()
    let size = 0
    for (let byte = 0x80; byte >= 0x80; ) {
      byte = reader.u8()
      size = (size << 7) | (byte & 0x7f)
    }
    if (tag === 3) reader.skip(3)
    else if (tag === 4) reader.skip(13)
    else return tag === 5 ? reader.take(size) : new Uint8Array(0)
  }
}

function readFragment(moof: Uint8Array, mdat: Uint8Array, tracks: Map<number, Building>): void {
  let at = 0
  for (const traf of boxes(moof).filter((box) => box.type === 'traf')) {
    const tfhd = new ByteReader(child(traf.body, 'tfhd'), 'tfhd')
    const tfhdFlags = tfhd.u32() & 0xffffff
    const track = tracks.get(tfhd.u32())!
    if (tfhdFlags & 1) tfhd.skip(8)
    if (tfhdFlags & 2) tfhd.skip(4)
    const duration = tfhdFlags & 8 ? tfhd.u32() : track.defaults.duration
    const size = tfhdFlags & 16 ? tfhd.u32() : track.defaults.size
    const flags = tfhdFlags & 32 ? tfhd.u32() : track.defaults.flags
    const tfdt = new ByteReader(child(traf.body, 'tfdt'), 'tfdt')
    const wide = tfdt.u32() >>> 24 === 1
    let dts = wide ? tfdt.u64() : tfdt.u32()
    for (const run of boxes(traf.body).filter((box) => box.type === 'trun')) {
      const trun = new ByteReader(run.body, 'trun')
      const present = trun.u32() & 0xffffff
      const count = trun.u32()
      if (present & 1) trun.skip(4)
      const first = present & 4 ? trun.u32() : undefined
      for (let i = 0; i < count; i++) {
        const durationTicks = present & 0x100 ? trun.u32() : duration
        const bytes = present & 0x200 ? trun.u32() : size
        const own = present & 0x400 ? trun.u32() : i === 0 && first !== undefined ? first : flags
        const composition = present & 0x800 ? trun.i32() : 0
        track.samples.push({
          dtsMs: (dts * 1000) / track.timescale,
          compositionMs: (composition * 1000) / track.timescale,
          durationTicks,
          sync: (own & NOT_SYNC) === 0,
          data: mdat.subarray(at, at + bytes),
        })
        at += bytes
        dts += durationTicks
      }
    }
  }
}

/** Input arguments of a moving test picture. */
export function picture(size = '160x90', rate = '25', seconds = 0.4): string[] {
  return ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds}`]
}

/** Input arguments of a tone. */
export function tone(rate = 48_000, channels = 2, seconds = 0.4): string[] {
  return ['-f', 'lavfi', '-i', `sine=440:r=${rate}:d=${seconds}`, '-ac', String(channels)]
}

/** Codec arguments that encode a few small pictures fast. */
export const videoEncoders = {
  avc: ['-c:v', 'libx264', '-preset', 'veryfast', '-threads', '1'],
  hevc: ['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', '-x265-params', 'log-level=none:pools=none'],
  av1: ['-c:v', 'libaom-av1', '-cpu-used', '8', '-usage', 'realtime', '-threads', '1'],
  vp9: ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-threads', '1'],
} as const satisfies Record<string, readonly string[]>
