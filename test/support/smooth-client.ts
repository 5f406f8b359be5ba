import { XMLParser } from 'fast-xml-parser'
import { avcRecordFromAnnexB } from '../../src/media/codecs/avc.ts'
import { BoxWriter } from '../../src/media/isobmff/box-writer.ts'
import { audioConfigOf, videoConfigOf } from '../../src/media/isobmff/codec-config.ts'
import { writeFileType } from '../../src/media/isobmff/file-type.ts'
import { writeMovie } from '../../src/media/isobmff/movie.ts'
import type { CodecConfig } from '../../src/media/media.ts'
import { OriginServer } from '../../src/origin/origin-server.ts'
import type { RequestKind } from '../../src/origin/ports.ts'
import type { Recording } from './recording.ts'
import type { ReadFragment, ReadInterval } from './smooth-fragment.ts'

/** What a player knows of a Smooth Streaming presentation by its client manifest ([MS-SSTR] §2.2.2) and nothing else. */
export type Attributes = Readonly<Record<string, string>>
export type ReadStream = {
  readonly attributes: Attributes
  readonly levels: readonly Attributes[]
  readonly chunks: readonly ReadInterval[]
}
export type ReadManifest = { readonly attributes: Attributes; readonly streams: readonly ReadStream[] }

type Node = { readonly ':@'?: Attributes } & Readonly<Record<string, unknown>>

export function readSmoothManifest(text: string): ReadManifest {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    preserveOrder: true,
    parseTagValue: false,
  })
  const root = (parser.parse(text) as Node[]).find((node) => 'SmoothStreamingMedia' in node)
  if (!root) throw new Error(`no SmoothStreamingMedia: ${text}`)
  const streams = named(root['SmoothStreamingMedia'], 'StreamIndex').map((node) => ({
    attributes: node[':@'] ?? {},
    levels: named(node['StreamIndex'], 'QualityLevel').map((level) => level[':@'] ?? {}),
    chunks: expand(named(node['StreamIndex'], 'c').map((chunk) => chunk[':@'] ?? {})),
  }))
  return { attributes: root[':@'] ?? {}, streams }
}

function named(children: unknown, name: string): Node[] {
  return (children as Node[]).filter((child) => name in child)
}

/** `r` counts from one; a `c` without `t` follows the one before it. */
function expand(elements: readonly Attributes[]): ReadInterval[] {
  const chunks: ReadInterval[] = []
  for (const { t, d = '', r = '1' } of elements) {
    const last = chunks.at(-1)
    let time = t === undefined ? (last?.time ?? 0n) + (last?.duration ?? 0n) : BigInt(t)
    for (let count = Number(r); count > 0; count--) {
      chunks.push({ time, duration: BigInt(d) })
      time += BigInt(d)
    }
  }
  return chunks
}

/** The URL of a fragment of a stream's quality level, by the stream's template. */
export function fragmentUrl(manifestUrl: string, stream: ReadStream, level: Attributes, time: bigint): string {
  const path = (stream.attributes['Url'] ?? '')
    .replace('{bitrate}', level['Bitrate'] ?? '')
    .replace('{start time}', time.toString())
  return new URL(path, manifestUrl).href
}

/** One MP4 of fragments, with a header made of what the quality level says, and each fragment's own time as `tfdt`. */
export function fileOf(level: Attributes, fragments: readonly (readonly [Uint8Array, ReadFragment])[]): Buffer {
  const out = new BoxWriter(1_024)
  writeFileType(out, 'ftyp', { majorBrand: 'iso6', minorVersion: 0, compatibleBrands: ['iso6'] })
  const trackId = fragments[0]![1].trackId
  writeMovie(out, [{ trackId, timescale: 10_000_000, config: configOf(level) }], 10_000_000)
  return Buffer.concat([out.finish(), ...fragments.map(([bytes, { time }]) => withDecodeTime(bytes, time))])
}

function configOf(level: Attributes): CodecConfig {
  const data = Buffer.from(level['CodecPrivateData'] ?? '', 'hex')
  const path = 'CodecPrivateData'
  if (level['FourCC'] === 'H264') {
    const size = { width: Number(level['MaxWidth']), height: Number(level['MaxHeight']) }
    return videoConfigOf('avc', avcRecordFromAnnexB(data), { ...size, path })
  }
  if (level['FourCC'] === 'HVC1') {
    const size = { width: Number(level['MaxWidth']), height: Number(level['MaxHeight']) }
    return videoConfigOf('hevc', hevcRecord(data), { ...size, path })
  }
  if (!level['FourCC']?.startsWith('AAC')) throw new Error(`a quality level of ${level['FourCC']}`)
  const sound = { channels: Number(level['Channels']), sampleRate: Number(level['SamplingRate']) }
  return audioConfigOf('aac', data, { ...sound, path })
}

/** An HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1) of parameter sets behind start codes, with 4:2:0 and lengths of 4 bytes. */
function hevcRecord(data: Buffer): Buffer {
  const units = data
    .toString('latin1')
    .split('\0\0\0\x01')
    .slice(1)
    .map((unit) => Buffer.from(unit, 'latin1'))
  const typeOf = (unit: Buffer) => (unit.readUInt8(0) >> 1) & 0x3f
  const sps = units.find((unit) => typeOf(unit) === 33)
  if (!sps) throw new Error('CodecPrivateData without an SPS')
  const bits = Buffer.from(sps.toString('latin1').replaceAll('\0\0\x03', '\0\0'), 'latin1')
  const profile = bits.subarray(3, 15)
  const deep = (bits.readUInt8(3) & 0x1f) === 2 ? 2 : 0
  const head = [0xf0, 0, 0xfc, 0xfd, 0xf8 | deep, 0xf8 | deep, 0, 0, 0x0f, units.length]
  const arrays = units.flatMap((unit) => [
    Buffer.from([0x80 | typeOf(unit), 0, 1, unit.length >> 8, unit.length & 0xff]),
    unit,
  ])
  return Buffer.concat([Buffer.from([1]), profile, Buffer.from(head), ...arrays])
}

/** A fragment with a `tfdt` behind its `tfhd`: what readers of plain fragmented MP4 count from. */
function withDecodeTime(bytes: Uint8Array, time: bigint): Buffer {
  const fragment = Buffer.from(bytes)
  const tfdt = Buffer.alloc(20)
  tfdt.writeUInt32BE(20)
  tfdt.write('tfdt', 4)
  tfdt.writeUInt32BE(0x01000000, 8)
  tfdt.writeBigUInt64BE(time, 12)
  const traf = fragment.indexOf('traf') - 4
  const tfhd = fragment.indexOf('tfhd') - 4
  const trun = fragment.indexOf('trun') - 4
  for (const at of [0, traf]) fragment.writeUInt32BE(fragment.readUInt32BE(at) + 20, at)
  fragment.writeInt32BE(fragment.readInt32BE(trun + 16) + 20, trun + 16)
  const behind = tfhd + fragment.readUInt32BE(tfhd)
  return Buffer.concat([fragment.subarray(0, behind), tfdt, fragment.subarray(behind)])
}

/** An origin that publishes a recording, and where its manifest is. */
export async function serveRecording(recording: Recording) {
  const requests: { readonly kind: RequestKind; readonly status: number }[] = []
  const published = { locatorId: 'loc-1', manifestName: 'News', view: recording.presentation }
  const read = (_id: string, rendition: number, sequence: number) => {
    const bytes = recording.bytes.get(`${rendition}/${sequence}`)
    return bytes && [bytes]
  }
  const server = new OriginServer(
    { host: '127.0.0.1', port: 0 },
    {
      publications: { find: (locatorId) => (locatorId === 'loc-1' ? published : undefined) },
      fragments: { read },
      segments: recording.source,
      observer: { started: () => undefined, request: (kind, status) => void requests.push({ kind, status }) },
    },
  )
  const { port } = await server.start()
  const base = `http://127.0.0.1:${port}/loc-1/News.ism`
  return { server, base, url: `${base}/manifest`, requests }
}
