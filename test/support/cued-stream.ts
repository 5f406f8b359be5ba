import { ByteWriter } from '../../src/lib/bytes.ts'
import { type AmfWritable, writeAmf0 } from '../../src/media/rtmp/amf0-writer.ts'
import { type EncodedTrack, encode, picture, tone, videoEncoders } from './flv-encoded.ts'
import { interleave, legacyMessages } from './flv-publish.ts'
import { RtmpPublisher } from './rtmp-publisher.ts'

/** A data message among the media: what the encoder says, and when. */
export type SaidCue = { readonly atMs: number; readonly values: readonly AmfWritable[] }

/** How long it is. */
export const CUED_SECONDS = 10
/** The splice_insert of ANSI/SCTE 35 §14.2: 60.29 s, with auto-return. */
export const SPLICE_OUT = '/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo='

const GOP = ['-bf', '0', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0', '-pix_fmt', 'yuv420p']
/** AMF0 data (RTMP 1.0 §7.1.2). */
const DATA_MESSAGE = 18

function dataMessage(values: readonly AmfWritable[]): Uint8Array {
  const out = new ByteWriter()
  for (const value of values) writeAmf0(out, value)
  return out.finish()
}

/** Publishes `CUED_SECONDS` of picture and sound as fast as they are taken, with what the encoder says among them, in order. */
export async function publishCued(port: number, streamName: string, said: readonly SaidCue[]): Promise<RtmpPublisher> {
  const pictures = encode([...picture('320x180', '25', CUED_SECONDS), ...videoEncoders.avc, ...GOP])
  const sounds = encode([...tone(48_000, 2, CUED_SECONDS), '-c:a', 'aac'])
  const tracks = [pictures.tracks[0], sounds.tracks[0]] as EncodedTrack[]
  const publisher = await RtmpPublisher.publish({ host: '127.0.0.1', port, streamName, chunkSize: 4_096 })
  const cues = [...said]
  for (const { messageType, timestampMs, payload } of interleave(...tracks.map(legacyMessages))) {
    for (let cue = cues[0]; cue && cue.atMs <= timestampMs; cue = cues[0]) {
      await publisher.send(DATA_MESSAGE, cue.atMs, dataMessage(cue.values))
      cues.shift()
    }
    await publisher.send(messageType, timestampMs, payload)
  }
  return publisher
}
