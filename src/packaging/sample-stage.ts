import type { AudioConfig, CodecConfig } from '../media/media.ts'
import type { Piece } from '../media/mpegts/packet-writer.ts'
import type { StreamPackets } from '../media/mpegts/transport-segment.ts'

/** What is done to samples before they are put into transport streams or packed audio: their encryption. Nothing given is changed. */
export type SampleStage = {
  /** Tells what it makes of samples from what others make of them. */
  readonly name: string
  /** @throws AppError `MEDIA_UNSUPPORTED`, FormatError */
  stream(packets: StreamPackets, config: CodecConfig): StreamPackets
  /** Frames of packed audio, and what its tag says of them. @throws AppError `MEDIA_UNSUPPORTED`, FormatError */
  packed(
    frames: readonly Piece[],
    config: AudioConfig,
  ): { readonly frames: readonly Piece[]; readonly setup: Uint8Array }
}
